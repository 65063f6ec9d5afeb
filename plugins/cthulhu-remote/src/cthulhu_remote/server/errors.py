"""Refused: an error that becomes the answer to a request."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


class Refused(Exception):
    """A rejected request.

    Args:
        status: status of the answer, e.g. 400.
        reason: a sentence with what was given, what was expected, and what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers

    def answer(self) -> JSONResponse:
        """Return the answer with the reason."""
        return JSONResponse({"reason": self.reason}, self.status, self.headers)


async def answer_refused(request: Request, refused: Exception) -> JSONResponse:
    """Handle ``Refused`` for Starlette."""
    assert isinstance(refused, Refused)
    return refused.answer()


async def answer_http_exception(request: Request, exception: Exception) -> JSONResponse:
    """Handle unknown paths and methods for Starlette."""
    assert isinstance(exception, HTTPException)
    reasons = {
        404: "there is nothing at this path: the page is at /, events go to /publish/epoch/end/",
        405: f"this path does not support {request.method}: the header Allow of this answer lists its methods",
    }
    reason = reasons.get(exception.status_code, exception.detail)
    return JSONResponse({"reason": reason}, exception.status_code, exception.headers)
