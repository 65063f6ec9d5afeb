"""A module that imports what it needs late, at once."""

from __future__ import annotations

import numpy as np  # noqa: F401

from cthulhu_core import Callback


class ImportsAtOnce(Callback):
    """Its module imports a package that nobody has asked for yet."""

    caught_by = "test_import_is_light"
