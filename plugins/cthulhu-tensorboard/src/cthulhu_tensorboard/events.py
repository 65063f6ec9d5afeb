"""Event files as TensorBoard reads them, and the ``SummaryWriter`` that writes to one.

torch's writer hands events to a thread of tensorboard's, which prints a traceback and drops what follows when the disk
is full, and may hang then. Here an event is in the file when it has been added, whole or not at all, and what goes
wrong is raised where it was added.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
import warnings
from functools import cache
from pathlib import Path
from typing import IO, Any

from cthulhu_tensorboard.checksum import masked_crc32c
from cthulhu_tensorboard.without_tensorflow import FileWriter, SummaryWriter


@cache
def _header(length: int) -> bytes:
    header = struct.pack("<Q", length)
    return header + struct.pack("<I", masked_crc32c(header))


def _append(file: IO[bytes], event: Any) -> None:
    """Write a record at the end of ``file``, whole or not at all."""
    data = event.SerializeToString()
    record = _header(len(data)) + data + struct.pack("<I", masked_crc32c(data))
    written = 0
    try:
        while written < len(record):
            written += file.write(record[written:])
    except OSError:
        # Half a record would make all that follows unreadable.
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - written)
        raise


class EventFile:
    """A file of events in a folder, which is made if it is missing.

    Args:
        folder: where it is.
        label: what its name ends with.

    Raises:
        OSError: the file cannot be made; in the methods, it cannot be written.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self._label = label
        self.path, self._file = self._open()

    def _open(self) -> tuple[Path, IO[bytes]]:
        from tensorboard.compat.proto.event_pb2 import Event

        self.folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{rest:09d}.{socket.gethostname()}.{os.getpid()}.{self._label}"
        path = self.folder / name
        # Not buffered: who looks on sees everything, and a process that is killed leaves everything.
        file = path.open("ab", buffering=0)
        try:
            _append(file, Event(wall_time=time.time(), file_version="brain.Event:2"))
        except OSError:
            file.close()
            raise
        return path, file

    def add_event(self, event: Any) -> None:
        """Write one event."""
        _append(self._file, event)

    def flush(self) -> None:
        """See that there is still a file: one that was removed takes what is written to it, and nobody finds it.

        Warns:
            UserWarning: it was removed; a new one is begun.
        """
        if os.fstat(self._file.fileno()).st_nlink:
            return
        removed = self._file
        self.path, self._file = self._open()
        removed.close()
        warnings.warn(
            f"TensorBoard's file in {str(self.folder)!r} was removed while it was written: what it held is lost, "
            "and a new one is begun",
            stacklevel=2,
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def get_logdir(self) -> str:
        """The folder."""
        return str(self.folder)


class _Files(FileWriter):
    def __init__(self, event_file: EventFile) -> None:
        self.event_writer: Any = event_file


class Writer(SummaryWriter):
    """Torch's writer of summaries on a file of ours; arguments and errors as in :class:`EventFile`."""

    def __init__(self, folder: Path, label: str) -> None:
        self.event_file = EventFile(folder, label)
        self._files = _Files(self.event_file)
        super().__init__(str(folder))

    def _get_file_writer(self) -> FileWriter:
        # What torch calls whenever it writes: its own would begin a thread.
        self.file_writer: Any = self._files
        self.all_writers: Any = {str(self.log_dir): self._files}
        return self._files

    def hide_from(self, step: int) -> None:
        """Let TensorBoard hide what was written to this folder before, at ``step`` and later."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._files.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)

    def close(self) -> None:
        """Close the file; what is written later is an error."""
        self._files.close()
