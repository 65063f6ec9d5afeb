"""Names of layers and weights as names of HDF5, in which ``/`` separates groups and ``.`` is the group itself."""

from __future__ import annotations

import re


def escaped(name: str) -> str:
    """``name`` as one name of HDF5: what has a meaning there, or cannot be encoded, is written ``%2F;``.

    >>> escaped("encoder/0.weight"), escaped("."), escaped("dense_1")
    ('encoder%2F;0.weight', '%2E;', 'dense_1')
    """
    if name == "":
        return "%;"
    if name == ".":
        return "%2E;"
    return re.sub(r"[%/\x00\ud800-\udfff]", lambda found: f"%{ord(found[0]):X};", name)


def unescaped(name: str) -> str:
    """The name that :func:`escaped` was given.

    >>> unescaped("encoder%2F;0.weight")
    'encoder/0.weight'
    """
    return re.sub(r"%([0-9A-F]{0,5});", lambda found: chr(int(found[1], 16)) if found[1] else "", name)
