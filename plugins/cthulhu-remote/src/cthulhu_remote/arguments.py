"""Checks of RemoteMonitor's arguments. No message shows the value of a header or a password in a URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal
from urllib.parse import urlsplit

from cthulhu_core import whole_number


class Headers(dict[str, str]):
    """HTTP headers whose values are never shown, because they hold passwords and tokens."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "***"))


def url(root: Any, path: Any) -> str:
    """Return the URL to which events are sent.

    Raises:
        TypeError: If one of the arguments is not a string.
        ValueError: If ``root`` is not the address of a server.
    """
    if not isinstance(path, str):
        raise TypeError(f"RemoteMonitor(path={path!r}): expected a path below root, e.g. '/publish/epoch/end/'")
    if not isinstance(root, str):
        raise TypeError(f"RemoteMonitor(root={root!r}): expected the address of a server, e.g. 'http://localhost:9000'")
    try:
        parts = urlsplit(root)
        known = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:  # A port that is not a number, or an unmatched bracket in the host.
        known = False
    if not known:
        raise ValueError(
            f"RemoteMonitor(root={without_password(root)!r}): expected the address of a server, beginning with http:// "
            "or https://, e.g. 'http://localhost:9000'"
        )
    return f"{root.rstrip('/')}/{path.lstrip('/')}" if path else root


def without_password(address: str) -> str:
    """Return ``address`` without user, password, query and fragment, for messages."""
    start, slashes, rest = address.rpartition("://")
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    return f"{start}{slashes}{host.rpartition('@')[2]}{slash}{path}"


def field(value: Any) -> str:
    """Return the checked form field. Raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"RemoteMonitor(field={value!r}): expected the name of a form field, e.g. 'data'")
    if not value:
        raise ValueError("RemoteMonitor(field=''): expected the name of a form field, e.g. 'data'")
    return value


def headers(value: Any) -> Headers:
    """Return the headers as text. Raises TypeError or ValueError, without showing a value."""
    if value is None:
        return Headers()
    expected = "expected a dict from names of HTTP headers to their values, e.g. {'Authorization': 'Bearer ...'}"
    if not isinstance(value, Mapping):
        raise TypeError(f"RemoteMonitor(headers=<{type(value).__name__}>): {expected}")
    checked = Headers()
    for name, content in value.items():
        if not isinstance(name, str) or not isinstance(content, (str, bytes)):
            raise TypeError(
                f"RemoteMonitor(headers={{{name!r}: <{type(content).__name__}>}}): {expected}, both as text"
            )
        text = content.decode("latin-1") if isinstance(content, bytes) else content
        fits = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not fits or any(character in text for character in "\r\n\0") or max(text, default="") > "\xff":
            raise ValueError(
                f"RemoteMonitor(headers={{{name!r}: ...}}): expected a name of letters, digits and '-', and a value of "
                "Latin-1 characters without line ends; remove a trailing line end with .strip()"
            )
        checked[name] = text.strip()
    return checked


def flag(value: Any) -> bool:
    """Return the checked ``send_as_json``. Raises ValueError."""
    if value not in (True, False):
        raise ValueError(f"RemoteMonitor(send_as_json={value!r}): expected True or False")
    return bool(value)


def every(value: Any) -> int | Literal["batch"] | None:
    """Return the checked ``every``. Raises ValueError."""
    if value is None or value == "batch":
        return value  # type: ignore[no-any-return]
    number = whole_number(value)
    if number is None or number < 1:
        raise ValueError(
            f"RemoteMonitor(every={value!r}): expected None to send only epochs, 'batch' to also send each batch, or a "
            "number N to send every N-th batch, e.g. 100"
        )
    return number


def run_name(value: Any) -> str | None:
    """Return the checked name of the training. Raises TypeError."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"RemoteMonitor(name={value!r}): expected the name of the training, or None for the script's")
    return value


def seconds(name: str, value: Any) -> float:
    """Return a checked time to wait. Raises TypeError or ValueError."""
    expected = f"RemoteMonitor({name}={value!r}): expected a number of seconds, 0 or more"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(expected)
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(expected)
    return number


def timeout(value: Any) -> tuple[float, float]:
    """Return the seconds for connecting and for an answer. Raises TypeError or ValueError."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"RemoteMonitor(timeout={value!r}): expected two numbers, for connecting and for an answer")
    connect, answer = (seconds("timeout", each) for each in pair)
    if not (connect and answer):
        raise ValueError(f"RemoteMonitor(timeout={value!r}): expected more than 0 seconds")
    return connect, answer


def spool(value: Any) -> str | None:
    """Return the path of a file as text. Raises TypeError."""
    if value is not None and (not isinstance(value, (str, os.PathLike)) or not os.fspath(value)):
        raise TypeError(f"RemoteMonitor(spool={value!r}): expected the path of a file, e.g. 'run/unsent.sqlite3'")
    return None if value is None else os.fsdecode(value)
