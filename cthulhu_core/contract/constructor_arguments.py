"""The arguments a callback was made with, as plain data without secrets.

They are described when the callback is made, for the manifest of its runs. Values of headers, tokens and passwords are
never kept, nor are the user, password and query of an address.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

SECRET = "(secret)"
LONGEST = 100
"""The most elements of a list that are kept; ten times as many characters of a string."""

_SECRET_NAME = re.compile(
    r"(api_?key|auth(entication|orization)?|cookie|credential|header|key|passphrase|passw(or)?d|pwd|secret|token|webhook)s?"
)
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_LEVELS = 5


def described(cls: type, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of a constructor as plain data; None if they do not fit it.

    Args:
        cls: the class; its attribute ``secret`` names arguments that are not kept.
        arguments: positional arguments.
        named: keyword arguments.

    Example:
        >>> class Post:
        ...     def __init__(self, root, token=None, tags=()): ...
        >>> described(Post, ("http://me:mine@localhost/?key=1",), {"token": "t0k3n"})
        {'root': 'http://localhost/', 'token': '(secret)'}
    """
    try:
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        bound = signature.bind(None, *arguments, **named).arguments
    except (TypeError, ValueError):
        return None  # the constructor raises a better error
    found: dict[str, Any] = {}
    for name, value in list(bound.items())[1:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        else:
            found[name] = value
    return {
        # That there is no secret may be shown.
        name: SECRET if is_secret(name, cls) and not isinstance(value, (bool, type(None))) else _plain(value, _LEVELS)
        for name, value in found.items()
    }


def is_secret(name: str, cls: type | None = None) -> bool:
    """Return whether a value called ``name``, such as an argument of ``cls``, must not be shown."""
    if name in getattr(cls, "secret", ()):
        return True
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    return any(_SECRET_NAME.fullmatch(word) for word in [words, *words.split("_")])


def _plain(value: Any, levels: int) -> Any:
    """Return ``value`` if it is plain and short, else a description of it."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, (str, float, os.PathLike, date, time, timedelta)):
        return _text(str(value))
    if isinstance(value, (list, tuple, set, frozenset)) and levels and len(value) <= LONGEST:
        return [_plain(each, levels - 1) for each in value]
    if isinstance(value, Mapping) and levels and len(value) <= LONGEST:
        return {_text(str(key)): _plain(each, levels - 1) if not is_secret(str(key)) else SECRET
                for key, each in value.items()}  # fmt: skip
    name = getattr(value, "__qualname__", None)
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"({'class' if inspect.isclass(value) else 'function'} {value.__module__}.{name})"
    # No repr, because it may contain anything.
    size = ""
    if type(value).__module__.partition(".")[0] in ("numpy", "pandas", "torch") and hasattr(value, "shape"):
        size = f", shape {tuple(value.shape)}"
    elif isinstance(value, (list, tuple, set, frozenset, Mapping)):
        size = f", {len(value)} elements"
    return f"({type(value).__name__}{size})"


def _text(text: str) -> str:
    if _ADDRESS.match(text):
        from urllib.parse import urlsplit, urlunsplit

        try:
            parts = urlsplit(text)
            text = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        except ValueError:
            text = "(address)"
    # JSON files cannot hold surrogates.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= 10 * LONGEST else f"{text[: 10 * LONGEST]}…"
