"""The stored part of received JSON: numbers, null, booleans, strings, and lists and dicts of them."""

from __future__ import annotations

import json
import math
from typing import Any

from cthulhu_remote.server.errors import Refused

LEVELS = 8
NAMES = 500
NAME_LENGTH = 200
TEXT_LENGTH = 10_000

# SQLite and browsers do not support lone surrogates nor, in some places, NUL.
_UNUSABLE = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}
_SHORTEST_HUGE_INTEGER = 309

#: A shared encoder, because json.dumps with options creates a new one for each call.
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def decode(text: str, where: str) -> Any:
    """Parse JSON, including the NaN and Infinity of Keras. Integers too large for a float become infinite.

    Args:
        text: the JSON.
        where: its place in the request, for messages.

    Raises:
        Refused: If it is not JSON or is nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        reason = f"{where} is not JSON: {error.msg} at character {error.pos}; send the output of json.dumps"
        raise Refused(400, reason) from None
    except RecursionError:
        raise _too_deep(where) from None


def _integer(digits: str) -> float:
    # Python refuses to parse thousands of digits, and a float cannot hold hundreds.
    return int(digits) if len(digits) < _SHORTEST_HUGE_INTEGER else math.inf


_decoder = json.JSONDecoder(parse_int=_integer)


def text(given: str) -> str:
    """Return ``given`` with U+FFFD in place of characters that cannot be stored."""
    return given if given.isascii() and "\0" not in given else given.translate(_UNUSABLE)


def kept(value: Any, name: str, levels: int = LEVELS) -> Any:
    """Return the stored form of a value. Non-finite numbers become None, integers beyond 64 bits floats.

    Args:
        value: a result of ``decode``.
        name: its name in the logs, for messages.
        levels: maximum depth of nested lists and dicts.

    Raises:
        Refused: If it is nested too deeply, or if a text or a name in it is too long.

    >>> kept([1, float("inf"), 10**30], "loss")
    [1, None, 1e+30]
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, str):
        if len(value) > TEXT_LENGTH:
            raise Refused(
                400,
                f"the text {_shown(name)} has {len(value)} characters: expected at most {TEXT_LENGTH}; send a shorter "
                "one",
            )
        return text(value)
    if levels == 0:
        raise _too_deep(_shown(name))
    if isinstance(value, list):
        return [kept(element, name, levels - 1) for element in value]
    return {checked_name(key): kept(element, name, levels - 1) for key, element in value.items()}


def checked_name(name: str) -> str:
    """Return the stored form of a name.

    Raises:
        Refused: If it is too long.
    """
    if len(name) > NAME_LENGTH:
        raise Refused(
            400,
            f"the name {_shown(name)} has {len(name)} characters: expected at most {NAME_LENGTH}; send it under a "
            "shorter name",
        )
    return text(name)


def _too_deep(what: str) -> Refused:
    return Refused(
        400, f"{what} has lists or objects in more than {LEVELS} levels: send numbers, or lists of them, by name"
    )


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 40 else name[:40] + "...")
