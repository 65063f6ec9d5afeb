"""Names of layers and weights in HDF5, where ``/`` separates groups and ``.`` is the group itself."""

from __future__ import annotations

import re


def escaped(name: str) -> str:
    """Return ``name`` with every character that is special in HDF5, or cannot be encoded, escaped as in ``%2F;``.

    >>> escaped("encoder/0.weight"), escaped("."), escaped("dense_1")
    ('encoder%2F;0.weight', '%2E;', 'dense_1')
    """
    if name == "":
        return "%;"
    if name == ".":
        return "%2E;"
    return re.sub(r"[%/\x00\ud800-\udfff]", lambda found: f"%{ord(found[0]):X};", name)


def unescaped(name: str) -> str:
    """Return the name from a result of :func:`escaped`.

    >>> unescaped("encoder%2F;0.weight")
    'encoder/0.weight'
    """
    return re.sub(r"%([0-9A-F]{0,5});", lambda found: chr(int(found[1], 16)) if found[1] else "", name)
