"""The open files, sockets and threads of a process."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


def open_files() -> dict[int, str]:
    """Return the open files and sockets of this process by number; empty if the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return dict(_targets(folder))
    return {}


def _targets(folder: str) -> list[tuple[int, str]]:
    found = []
    for number in os.listdir(folder):  # noqa: PTH208 - a path of each is not wanted
        try:
            found.append((int(number), os.readlink(f"{folder}/{number}")))  # noqa: PTH115
        except OSError:  # the descriptor of the folder that is being read
            continue
    return found


def new_threads(before: set[threading.Thread], patience: float = 1.0) -> list[threading.Thread]:
    """Return the threads that are not in ``before`` and are alive after ``patience`` seconds."""
    until = time.monotonic() + patience
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread for thread in threading.enumerate() if thread not in before]
