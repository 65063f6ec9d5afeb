"""Processes of a distributed training, started as ``torchrun`` does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent, indent
from typing import IO, NamedTuple

_BEFORE = """
import os, torch.distributed as _distributed
rank = int(os.environ["RANK"])
_distributed.init_process_group("gloo", init_method={init!r}, rank=rank, world_size={ranks})
try:
"""
_AFTER = """
finally:
    import gc
    gc.collect()  # what is left of a model that was trained holds on to the group
    _distributed.destroy_process_group()
"""


class Rank(NamedTuple):
    """The result of one process: its exit status, and its output on stdout and stderr."""

    status: int
    printed: str
    errors: str


def run_ranks(code: str, folder: Path, timeout: float = 60.0, ranks: int = 2) -> list[Rank]:
    r"""Run ``code`` in processes that are the ranks of a ``gloo`` group.

    Args:
        code: Python code; ``rank`` is the number of the process, and the group is initialised.
        folder: the current folder of all processes.
        timeout: seconds after which all are killed, and the test fails.
        ranks: the number of processes.

    Returns:
        The result of each process, rank 0 first.

    Raises:
        subprocess.TimeoutExpired: they did not end, usually because one waits for another in a collective.

    Example:
        >>> [each.printed for each in run_ranks("print(rank)", tmp_path)]
        ['0\n', '1\n']
    """
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder / f".meeting-{os.urandom(4).hex()}"
    source = _BEFORE.format(init=meeting.as_uri(), ranks=ranks) + indent(dedent(code), "    ") + _AFTER
    with contextlib.ExitStack() as stack:
        # Files, because a full pipe that is not read yet would block both processes.
        outputs = [[stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)] for _ in range(ranks)]
        processes = [_start(source, rank, ranks, folder, outputs[rank]) for rank in range(ranks)]
        until = time.monotonic() + timeout
        try:
            for process in processes:
                process.wait(max(0.0, until - time.monotonic()))
        finally:
            for process in processes:
                process.kill()
                process.wait()
            meeting.unlink(missing_ok=True)
        return [Rank(process.returncode, *map(_text, files)) for process, files in zip(processes, outputs, strict=True)]


def _start(source: str, rank: int, ranks: int, folder: Path, outputs: Sequence[IO[str]]) -> subprocess.Popen[bytes]:
    told = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join(each for each in sys.path if each)
    return subprocess.Popen(
        [sys.executable, "-c", source], env=os.environ | told | {"PYTHONPATH": path}, cwd=folder,
        stdout=outputs[0], stderr=outputs[1],
    )  # fmt: skip


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
