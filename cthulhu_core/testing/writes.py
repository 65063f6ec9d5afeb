"""Records where Python code writes: files opened for writing, and folders created.

Files that libraries in other languages open are not seen.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Writes:
    """The paths that were written to.

    Attributes:
        paths: absolute paths in order, each once, without compiled modules, devices and deleted temporary files.
    """

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def see(self, path: object) -> None:
        """Record ``path`` if it is one."""
        if isinstance(path, (str, bytes, os.PathLike)):
            self._seen.setdefault(os.path.realpath(os.fsdecode(path)))

    @property
    def paths(self) -> list[Path]:
        temporary = Path(os.path.realpath(tempfile.gettempdir()))
        return [
            path
            for path in map(Path, self._seen)
            if "__pycache__" not in path.parts
            and path.parts[1:2] not in (("dev",), ("proc",))
            and (path.exists() or not path.is_relative_to(temporary))
        ]

    def outside(self, *folders: str | os.PathLike[str]) -> list[Path]:
        """Return the paths that are neither one of ``folders`` nor in one."""
        allowed = [Path(os.path.realpath(Path(folder).expanduser())) for folder in folders]
        return [path for path in self.paths if not any(path.is_relative_to(folder) for folder in allowed)]


_watching: list[Writes] = []
_hooked = False


@contextlib.contextmanager
def watch_writes() -> Iterator[Writes]:
    """Record what is written inside this block.

    Example:
        >>> with watch_writes() as writes:
        ...     _ = Path("here.txt").write_text("")
        >>> [path.name for path in writes.paths]
        ['here.txt']
    """
    global _hooked  # noqa: PLW0603 - Python cannot take such a hook back: one does for the whole process
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    writes = Writes()
    _watching.append(writes)
    try:
        yield writes
    finally:
        _watching.remove(writes)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching:
        return
    path: object = None
    if (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING) or event == "os.mkdir":
        path = arguments[0]
    elif event == "os.rename":
        path = arguments[1]
    if path is not None:
        for writes in _watching:
            writes.see(path)
