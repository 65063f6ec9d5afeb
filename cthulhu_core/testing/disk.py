"""Disks that fail in the operating system: a full disk, and a read-only folder."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class FailingDisk:
    """A disk that is full between :meth:`fill` and :meth:`free`: no file of this process can grow.

    Files can still be created, but writing to them raises ``OSError``, in code of any language. Printed text is lost
    in between, because pytest captures it in a file.

    Example:
        >>> with FailingDisk() as disk:
        ...     disk.fill()
        ...     Path("log.csv").write_text("epoch,loss")
        Traceback (most recent call last):
        OSError: [Errno 27] File too large
    """

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None
        self._streams: tuple[Any, Any] = sys.stdout, sys.stderr

    @property
    def is_full(self) -> bool:
        """Whether nothing can be written."""
        return self._before is not None

    def fill(self) -> None:
        """Fill the disk."""
        try:
            import resource
        except ImportError:
            pytest.skip("this system has no limit of the size of files, by which a disk could be made to seem full")
        if self._before is None:
            self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
            self._streams, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), io.StringIO(), io.StringIO()
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._before[1]))

    def free(self) -> None:
        """Free the disk."""
        if self._before is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
            self._before = None
            sys.stdout, sys.stderr = self._streams

    def __enter__(self) -> FailingDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self.free()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make ``folder`` read-only inside this block; root, who may write anywhere, becomes another user."""
    mode = folder.stat().st_mode
    geteuid, seteuid = getattr(os, "geteuid", None), getattr(os, "seteuid", None)
    folder.chmod(0o555)
    is_root = geteuid is not None and geteuid() == 0
    try:
        if is_root and seteuid is not None:
            seteuid(_NOBODY)
        if _can_write(folder):
            pytest.skip(f"this system lets {folder} be written to, whatever its permissions say")
        yield
    finally:
        if is_root and seteuid is not None:
            seteuid(0)
        folder.chmod(mode)


_NOBODY = 65534


def _can_write(folder: Path) -> bool:
    try:
        # Relative, because parent folders may be inaccessible to others.
        with (Path("probe") if folder == Path.cwd() else folder / "probe").open("x"):
            pass
    except OSError:
        return False
    (folder / "probe").unlink()
    return True


def contents(folder: Path) -> dict[Path, bytes]:
    """Return the files below ``folder`` and their content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # it was renamed in between
            if path.is_file():
                found[path] = path.read_bytes()
    return found
