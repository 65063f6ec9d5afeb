"""Event files for TensorBoard, and the ``SummaryWriter`` that writes to one.

torch's writer passes events to a thread of tensorboard. When the disk is full, that thread prints a traceback, drops
later events, and may hang. Here, adding an event writes it to the file at once, whole or not at all, and raises any
error.
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
    """Append a record to ``file``, whole or not at all."""
    data = event.SerializeToString()
    record = _header(len(data)) + data + struct.pack("<I", masked_crc32c(data))
    written = 0
    try:
        while written < len(record):
            written += file.write(record[written:])
    except OSError:
        # An incomplete record would make all later ones unreadable.
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - written)
        raise


class EventFile:
    """A file of events in a folder, which is created if it is missing.

    Args:
        folder: folder of the file.
        label: end of its name.

    Raises:
        OSError: If the file cannot be created. In the methods, if it cannot be written.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self._label = label
        self.path, self._file = self._open()

    def _open(self) -> tuple[Path, IO[bytes]]:
        from tensorboard.compat.proto.event_pb2 import Event

        self.folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in alphabetical order.
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{rest:09d}.{socket.gethostname()}.{os.getpid()}.{self._label}"
        path = self.folder / name
        # Unbuffered, so that a running TensorBoard sees everything, and a kill loses nothing.
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
        """Check that the file still exists: writes to a removed file succeed, but are lost.

        Warns:
            UserWarning: If the file was removed. A new one replaces it.
        """
        if os.fstat(self._file.fileno()).st_nlink:
            return
        removed = self._file
        self.path, self._file = self._open()
        removed.close()
        warnings.warn(
            f"TensorBoard's file in {str(self.folder)!r} was removed during training: its content is lost, and a new "
            "file replaces it",
            stacklevel=2,
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def get_logdir(self) -> str:
        """Return the folder."""
        return str(self.folder)


class _Files(FileWriter):
    def __init__(self, event_file: EventFile) -> None:
        self.event_writer: Any = event_file


class Writer(SummaryWriter):
    """torch's ``SummaryWriter`` on an :class:`EventFile`, with the same arguments and errors."""

    def __init__(self, folder: Path, label: str) -> None:
        self.event_file = EventFile(folder, label)
        self._files = _Files(self.event_file)
        super().__init__(str(folder))

    def _get_file_writer(self) -> FileWriter:
        # torch calls this whenever it writes. Its own version would start a thread.
        self.file_writer: Any = self._files
        self.all_writers: Any = {str(self.log_dir): self._files}
        return self._files

    def hide_from(self, step: int) -> None:
        """Make TensorBoard hide earlier events of this folder at ``step`` and later."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._files.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)

    def close(self) -> None:
        """Close the file. Later writes raise."""
        self._files.close()
