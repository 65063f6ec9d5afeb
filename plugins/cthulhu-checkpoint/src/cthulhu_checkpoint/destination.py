"""Check before training that files can be written, by trying it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from cthulhu_checkpoint.plugin import is_in_parts


def prepare(folder: Path, files: list[Path]) -> None:
    """Create ``folder`` if it is missing, and check that ``files`` can be written.

    Raises:
        OSError: If the folder cannot be created or written to, or if a file is a folder or write-protected.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in {folder, *(Path(os.path.realpath(file)).parent for file in files if file.parent == folder)}:
            with tempfile.NamedTemporaryFile(dir=place, prefix=".cthulhu-checkpoint-"):
                pass
    except OSError as error:
        raise _error(error.errno, "choose a path in a writable folder", folder) from error
    for file in files:
        if file.is_dir() and not is_in_parts(file):
            raise _error(errno.EISDIR, "a folder of that name exists: choose another name", file)
        if file.exists() and not os.access(file, os.W_OK):
            raise _error(errno.EACCES, "it is write-protected: choose another name", file)


def remove(path: Path) -> None:
    """Remove a file, or a folder that is one checkpoint, if it exists."""
    if is_in_parts(path) and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _error(number: int | None, cure: str, path: Path) -> OSError:
    number = number or errno.EIO
    return OSError(number, f"LumpCheckpoint cannot write its file ({os.strerror(number)}): {cure}", str(path))
