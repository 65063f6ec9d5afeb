"""Refused: why a request is not done. How it is answered is here; what is refused stands where it is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not done.

    Args:
        status: the status of the answer, e.g. 400.
        reason: a sentence that says what was given, what was expected, and what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers

    def answer(self) -> JSONResponse:
        """The answer that says why."""
        return JSONResponse({"reason": self.reason}, self.status, self.headers)


async def answer_refused(request: Request, refused: Exception) -> JSONResponse:
    """Starlette's handler for ``Refused``."""
    assert isinstance(refused, Refused)
    return refused.answer()


async def answer_http_exception(request: Request, exception: Exception) -> JSONResponse:
    """Starlette's handler for what its routes refuse: paths and methods."""
    assert isinstance(exception, HTTPException)
    reasons = {
        404: "there is nothing at this path: the page is at /, events go to /publish/epoch/end/",
        405: f"{request.method} is not for this path: see the header Allow of this answer for what is",
    }
    reason = reasons.get(exception.status_code, exception.detail)
    return JSONResponse({"reason": reason}, exception.status_code, exception.headers)
