"""Write files completely or not at all, whenever the writer is stopped."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_SUFFIX = ".partial"


@contextlib.contextmanager
def atomic_write(filepath: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a temporary file that replaces ``filepath`` when the block ends without an exception.

    Readers see either the old or the new file, complete, even after a crash or a power failure: the new file is on disk
    before it gets its name. Leftovers of killed writers in the folder are removed.

    Args:
        filepath: the file to write; its folder must exist. If it is a link, its target is written.

    Yields:
        The path to write to, which does not exist yet. The file must be closed when the block ends.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.

    Example:
        >>> with atomic_write("notes.txt") as partial:
        ...     partial.write_text("all of it")
        9
    """
    target = Path(os.path.realpath(filepath))
    _remove_leftovers(target.parent)
    partial = target.with_name(f".{target.name}.{_host()}-{os.getpid()}{_SUFFIX}")
    try:
        yield partial
        with partial.open("rb+") as file:
            if target.exists():
                _copy_permissions(target, file.fileno())
            os.fsync(file.fileno())
        partial.replace(target)
        _sync_folder(target.parent)
    finally:
        # If the file was not finished. Nothing is left after replace().
        partial.unlink(missing_ok=True)


def _copy_permissions(source: Path, descriptor: int) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, source.stat().st_mode & 0o7777)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable. Windows has no such call, and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes of this machine that have ended."""
    for leftover in folder.glob(f".*{_SUFFIX}"):
        found = re.fullmatch(rf"\..+\.{re.escape(_host())}-(\d+){re.escape(_SUFFIX)}", leftover.name)
        if found and not _is_running(int(found[1])):
            leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return True  # there, signal 0 would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _host() -> str:
    import socket

    return re.sub(r"[^\w-]", "_", socket.gethostname())
