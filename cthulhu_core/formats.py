"""Which files can be saved: the suffixes that installed packages know. Saving and loading are in models/files.py."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Literal

from cthulhu_core.services import service_manager


def check_format(filepath: str | os.PathLike[str]) -> None:
    """See that an installed package saves files of this name: to be asked before there is anything to lose.

    Raises:
        ImportError: none does; the message names the suffixes that can be saved, or says what to install.

    Example:
        >>> check_format("weights.hdf5")
    """
    suffixes = sorted({suffix for each in service_manager().hook.cthulhu_saved_suffixes() for suffix in each})
    if PurePath(filepath).suffix.lower() in suffixes:
        return
    if not suffixes:
        raise no_format("saves", filepath)
    known = " or ".join(suffixes)
    raise ImportError(f"no installed package saves {_named(filepath)}: expected a name that ends in {known}")


def no_format(does: Literal["saves", "loads"], filepath: str | os.PathLike[str]) -> ImportError:
    """The error that no package is installed for this suffix."""
    return ImportError(
        f"no installed package {does} {_named(filepath)}: for .h5 and .hdf5, pip install cthulhu-checkpoint"
    )


def _named(filepath: str | os.PathLike[str]) -> str:
    suffix = PurePath(filepath).suffix
    return f"{suffix} files" if suffix else f"{os.fspath(filepath)!r}, which has no suffix"
