"""Where files are going to be written: whether that is possible is tried, not guessed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from cthulhu_checkpoint.plugin import is_in_parts


def prepare(folder: Path, files: list[Path]) -> None:
    """Make ``folder`` if it is missing, and see that ``files`` can be written.

    Raises:
        OSError: the folder cannot be made or written to, or a file is a folder or write-protected; says which.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in {folder, *(Path(os.path.realpath(file)).parent for file in files if file.parent == folder)}:
            with tempfile.NamedTemporaryFile(dir=place, prefix=".cthulhu-checkpoint-"):
                pass
    except OSError as error:
        raise _error(error.errno, "name one in a folder that you may write to", folder) from error
    for file in files:
        if file.is_dir() and not is_in_parts(file):
            raise _error(errno.EISDIR, "a folder of that name is there: name a file", file)
        if file.exists() and not os.access(file, os.W_OK):
            raise _error(errno.EACCES, "it is write-protected: name another one", file)


def remove(path: Path) -> None:
    """Remove a file, or a folder that is one checkpoint, if it is there."""
    if is_in_parts(path) and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _error(number: int | None, cure: str, path: Path) -> OSError:
    number = number or errno.EIO
    return OSError(number, f"LumpCheckpoint cannot write its file ({os.strerror(number)}): {cure}", str(path))
