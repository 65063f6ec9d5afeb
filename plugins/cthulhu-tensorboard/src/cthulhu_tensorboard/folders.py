"""The event files of one training: a folder for each curve, and a label that identifies the training."""

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
    """The folders ``train`` and ``validation`` of a training, and their open writers.

    Each run of a training writes its own files, with the label of the training in their names. The label distinguishes
    what a killed run wrote after its checkpoint from what other trainings wrote to the same folders.

    Args:
        log_dir: the parent folder.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self._root = Path(log_dir)
        # Chosen on first use, because a copy of a callback belongs to another training.
        self._label = ""
        self._writers: dict[str, Writer] = {}

    def writer(self, folder: str) -> Writer:
        """Return the writer to ``folder``, opening it on first use.

        Raises:
            OSError: If the folder cannot be written to.
        """
        writer = self._writers.get(folder)
        if writer is None:
            self._label = self._label or uuid.uuid4().hex[:12]
            from cthulhu_tensorboard.events import Writer

            writer = self._writers[folder] = Writer(self._root / folder, self._label)
        return writer

    @property
    def opened(self) -> list[Writer]:
        """The open writers."""
        return list(self._writers.values())

    def hide_from(self, step: int) -> None:
        """Make TensorBoard hide earlier events at ``step`` and later in the open folders."""
        for writer in self.opened:
            writer.hide_from(step)

    def flush(self) -> None:
        """Check that every file still exists."""
        for writer in self.opened:
            writer.flush()

    def close(self) -> None:
        """Close the writers. Later writers write new files."""
        while self._writers:
            self._writers.popitem()[1].close()

    # --- resume -------------------------------------------------------------------------------------------------------

    def _sizes(self) -> dict[str, int]:
        if not self._label:
            return {}
        files = (path for folder in FOLDERS for path in sorted((self._root / folder).glob(f"*.{self._label}")))
        return {path.relative_to(self._root).as_posix(): path.stat().st_size for path in files}

    def state_dict(self) -> dict[str, Any]:
        """Return the label, and the size of each file in bytes."""
        return {"label": self._label, "sizes": self._sizes()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut the files of this training to these sizes, and continue in new files.

        TensorBoard could hide later events by their step, but epochs and batches share its steps: hiding epochs from 5
        on would hide batches from 5 on.

        Warns:
            UserWarning: If files are missing or shorter than they were.

        Raises:
            OSError: If they cannot be cut.
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
                f"TensorBoard continues in {str(self._root)!r}, but data that existed when the checkpoint was saved "
                f"are missing: {', '.join(lost)}",
                stacklevel=2,
            )
        for folder in opened:
            self.writer(folder)
