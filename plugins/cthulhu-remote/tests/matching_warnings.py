"""Warnings: one of them matches, whatever else is warned of. When trouble is noticed is a matter of moments."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warned(pattern: str) -> Iterator[list[str]]:
    """See that a warning matches ``pattern``; gives the messages of all."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += [str(warning.message) for warning in caught]
    assert any(re.search(pattern, message) for message in messages), messages
