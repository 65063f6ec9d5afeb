"""The site as it is built: the session ``docs`` says in the variable SITE where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built site."""
    if "SITE" not in os.environ:
        pytest.skip("there is no site to look at: nox -s docs builds it")
    return Path(os.environ["SITE"])
