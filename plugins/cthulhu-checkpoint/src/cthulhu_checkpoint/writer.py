"""Write checkpoints to files, now or in the background. layout.py decides the place of everything in a file."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, BinaryIO

import torch

from cthulhu_checkpoint import header
from cthulhu_checkpoint.layout import Draft, draft
from cthulhu_core import Checkpoint, atomic_write

_BLOCK = 2 * 2**20
"""Number of bytes to transpose, copy from a device or write at a time."""
_FLUSH = 16 * 2**20
"""Number of bytes after which to start flushing to the disk."""


def save(checkpoint: Checkpoint, filepath: str | os.PathLike[str]) -> None:
    """Write ``checkpoint`` to ``filepath``, whole or not at all, after pending background saves.

    Raises:
        CheckpointError: If it holds something that cannot be stored. The message names it.
        OSError: If the file cannot be written: no such folder, no permission, no space left, ...
    """
    wait_for_the_last()
    with _threads() as threads:
        _save(checkpoint, filepath, threads)


def save_later(checkpoint: Checkpoint, filepath: str | os.PathLike[str]) -> Future[None]:
    """Write ``checkpoint``, which must not change any more, in the background. Errors are those of :func:`save`.

    Checkpoints are written one at a time, in order. The interpreter waits for the last one before it exits.
    """
    # No threads of its own: none can start while the interpreter waits for the last write.
    return in_background(_save, checkpoint, filepath, _AtOnce())


def in_background(write: Callable[..., None], *arguments: Any) -> Future[None]:
    """Queue ``write(*arguments)`` for the writing thread."""
    with _Background.lock:
        if _Background.executor is None:
            _Background.executor = ThreadPoolExecutor(1, "cthulhu-checkpoint")
        _Background.last = _Background.executor.submit(write, *arguments)
        return _Background.last


def wait_for_the_last() -> None:
    """Wait for all background writes."""
    if _Background.last is not None:
        _Background.last.exception()  # Waits; the holder of the future handles its error.


class _Background:
    """The writing thread, and its last task."""

    lock = threading.Lock()
    writing = threading.Lock()
    executor: ThreadPoolExecutor | None = None
    last: Future[None] | None = None

    @classmethod
    def forget(cls) -> None:
        """Forget the thread in a forked process, which does not have it."""
        cls.lock, cls.writing, cls.executor, cls.last = threading.Lock(), threading.Lock(), None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Background.forget)


class _AtOnce(Executor):
    """Runs each task at once, in the thread that submits it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **named))
        return done


def _threads() -> Executor:
    """Return a thread that writes and one that flushes, or no threads while the interpreter exits."""
    threads = ThreadPoolExecutor(2, "cthulhu-checkpoint-part")
    try:
        threads.submit(int)
    except RuntimeError:
        return _AtOnce()
    return threads


def _save(checkpoint: Checkpoint, filepath: str | os.PathLike[str], threads: Executor) -> None:
    drafted = draft(checkpoint)
    try:
        with _Background.writing, atomic_write(filepath) as partial:
            _write(drafted, partial, threads)
    except OSError as error:
        # Name the user's file, not the temporary one beside it.
        raise OSError(error.errno, error.strerror, os.fspath(filepath)) from error


def _write(drafted: Draft, path: Path, threads: Executor) -> None:
    """Write the file, preparing and checksumming each part while the previous one is written."""
    with path.open("wb", buffering=0) as file:
        _write_all(file, bytes(header.SIZE))
        checksum, behind = 0, 0
        writing: Future[Any] = threads.submit(int)
        flushing: Future[Any] = writing
        try:
            for part in _parts(drafted):
                checksum = zlib.crc32(part, checksum)
                writing.result()
                if behind >= _FLUSH and flushing.done():
                    # Let the disk start before the last part is written.
                    flushing.result()
                    flushing, behind = threads.submit(os.fsync, file.fileno()), 0
                writing = threads.submit(_write_all, file, part)
                behind += len(part)
        finally:
            # Even after an error, wait for the threads before the file is closed.
            wait((writing, flushing))
        writing.result()
        flushing.result()
        file.seek(0)
        _write_all(file, header.seal(drafted.structure.size, checksum))


def _write_all(file: BinaryIO, part: memoryview | bytes) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[file.write(rest) :]


def _parts(drafted: Draft) -> Iterator[memoryview | bytes]:
    """Yield all bytes after the seal, in order."""
    position = header.SIZE
    for offset, tensor in drafted.tensors:
        yield drafted.structure.between(position, offset)
        yield from _bytes_of(tensor)
        position = offset + tensor.numel() * tensor.element_size()
    yield drafted.structure.between(position, drafted.structure.size)


def _bytes_of(tensor: torch.Tensor) -> Iterator[memoryview]:
    """Yield the bytes of the values in order, from the tensor's own memory if it has that order."""
    for block in _blocks(tensor.detach()):
        # reshape() would not do: a dimension of size 1 may have any stride.
        flat = block.as_strided((block.numel(),), (1,)).view(torch.uint8).numpy().data
        for start in range(0, len(flat), _BLOCK):
            yield flat[start : start + _BLOCK]


def _blocks(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield ``tensor`` as contiguous blocks in host memory, copying at most one block at a time."""
    as_it_is = tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg()
    if tensor.device.type == "cpu" and as_it_is:
        yield tensor
    elif tensor.numel() * tensor.element_size() <= _BLOCK or tensor.ndim == 0:
        yield _copied(tensor)
    else:
        rows = _BLOCK // (tensor[0].numel() * tensor.element_size())
        for part in tensor.split(rows) if rows else tensor:
            yield from _blocks(part)


def _copied(block: torch.Tensor) -> torch.Tensor:
    if block.ndim == 2 and block.stride(0) < block.stride(1):
        # Copying in memory order and transposing then takes a fifth of the time of a copy row by row.
        block = block.t().contiguous().t()
    return block.contiguous().resolve_conj().resolve_neg().cpu()
