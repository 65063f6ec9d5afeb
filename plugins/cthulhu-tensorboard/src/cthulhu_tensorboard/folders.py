"""The event files of one training: a folder for each curve, and a label that tells them from those of others."""

from __future__ import annotations

import os
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_tensorboard.events import Writer

FOLDERS = ("train", "validation")


class Folders:
    """The folders ``train`` and ``validation`` of a training, and the writers to them that are open.

    Each run of a training writes files of its own, whose names bear the training's label: what a killed run wrote
    after its checkpoint can be told from what others wrote to the same folders.

    Args:
        log_dir: the folder in which they are.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self._root = Path(log_dir)
        # Made when it is first needed: a copy of a callback is for another training.
        self._label = ""
        self._writers: dict[str, Writer] = {}

    def writer(self, folder: str) -> Writer:
        """The writer to ``folder``, opened when it is first asked for.

        Raises:
            OSError: the folder cannot be written to.
        """
        writer = self._writers.get(folder)
        if writer is None:
            self._label = self._label or uuid.uuid4().hex[:12]
            from cthulhu_tensorboard.events import Writer

            writer = self._writers[folder] = Writer(self._root / folder, self._label)
        return writer

    @property
    def opened(self) -> list[Writer]:
        """The writers that are open."""
        return list(self._writers.values())

    def hide_from(self, step: int) -> None:
        """Let TensorBoard hide what was written before, at ``step`` and later, in the folders that are open."""
        for writer in self.opened:
            writer.hide_from(step)

    def flush(self) -> None:
        """See that every file is there."""
        for writer in self.opened:
            writer.flush()

    def close(self) -> None:
        """Close the writers; the next ones write files of their own."""
        while self._writers:
            self._writers.popitem()[1].close()

    # --- resume -------------------------------------------------------------------------------------------------------

    def _sizes(self) -> dict[str, int]:
        if not self._label:
            return {}
        files = (path for folder in FOLDERS for path in sorted((self._root / folder).glob(f"*.{self._label}")))
        return {path.relative_to(self._root).as_posix(): path.stat().st_size for path in files}

    def state_dict(self) -> dict[str, Any]:
        """The label, and the size of each file in bytes."""
        return {"label": self._label, "sizes": self._sizes()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Be where the files were: what this training has written since is removed, and new files go on.

        TensorBoard can hide by their step what a killed run wrote too much, but its steps are one row: hiding epochs
        from 5 on would hide batches from 5 on.

        Warns:
            UserWarning: files are missing, or shorter than they were.

        Raises:
            OSError: they cannot be cut.
        """
        opened = {folder: writer.event_file.path for folder, writer in self._writers.items()}
        self.close()
        for path in opened.values():
            path.unlink(missing_ok=True)
        self._label = state["label"]
        now = self._sizes()
        for name, size in now.items():
            if name not in state["sizes"]:
                (self._root / name).unlink()
            elif size > state["sizes"][name]:
                os.truncate(self._root / name, state["sizes"][name])
        lost = [name for name, size in state["sizes"].items() if now.get(name, 0) < size]
        if lost:
            warnings.warn(
                f"TensorBoard goes on in {str(self._root)!r}, where something is missing that was there when the "
                f"checkpoint was saved: {', '.join(lost)}",
                stacklevel=2,
            )
        for folder in opened:
            self.writer(folder)
