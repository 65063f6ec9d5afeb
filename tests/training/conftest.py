"""A format for checkpoints in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foreign import install
from resumable import FORMAT


@pytest.fixture
def saved(site: Path) -> dict[str, Any]:
    """What has been saved in the format ``.mem``, by path."""
    install(site, "memory-format", modules={"memory_format": FORMAT}, plugins={"memory": "memory_format"})
    import importlib

    return importlib.import_module("memory_format").saved
