"""The checkpoint from which a run resumes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.distributed.agreement import sum_over_ranks
from cthulhu_core.distributed.ranks import rank, world_size
from cthulhu_core.installed import model_files

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Checkpoint, Run


class Resumption(Protocol):
    """What continues a run from a checkpoint; ``checkpoint.resumption(run)`` returns one.

    Attributes:
        epoch: the epoch in which training continues, from 0.
        batch: the batch in it.
    """

    epoch: int
    batch: int

    def restore(self, run: Run) -> None:
        """Give model, optimizer, callbacks and random generators the state of the checkpoint."""

    def batches(self, run: Run, data: Any) -> Iterator[Any]:
        """Return the batches of the epoch that have not been trained."""


def resumption_of(run: Run, path: str | os.PathLike[str]) -> Resumption | None:
    """Return what continues ``run`` from ``path``; None if ``path`` is ``"auto"`` and there is no checkpoint yet.

    Raises:
        CheckpointError: the checkpoint cannot be read, does not fit, or differs between processes.
        ValueError: ``path`` is ``"auto"`` and no callback writes checkpoints, or the run has an ``initial_epoch``.
    """
    if run.initial_epoch:
        raise ValueError(
            f"initial_epoch is {run.initial_epoch}, but resume_from decides where to begin: pass only one of them"
        )
    checkpoint: Checkpoint | None
    if path == "auto":
        written = all_written(run.callbacks)
        checkpoint = model_files.newest(written) if written else None
    else:
        checkpoint = model_files.load_checkpoint(path)
    agree(checkpoint, path)
    if checkpoint is None:
        return None
    try:
        return checkpoint.resumption(run)
    except CheckpointError as error:
        raise CheckpointError(error.reason, path) from None


def all_written(callbacks: Iterable[Callback]) -> list[str | os.PathLike[str]]:
    """Return the checkpoints that ``resume_from="auto"`` can choose from.

    Raises:
        ValueError: no callback writes checkpoints.
    """
    written = [paths for callback in callbacks if (paths := callback.written_checkpoints()) is not None]
    if not written:
        raise ValueError(
            "resume_from='auto' takes the newest checkpoint that a callback wrote, and no callback of this run writes "
            "any from which training can go on: add one, e.g. LumpCheckpoint('run/{epoch:02d}.hdf5', save_every=500), "
            "or name a file"
        )
    return [path for paths in written for path in paths]


def agree(checkpoint: Checkpoint | None, path: str | os.PathLike[str]) -> None:
    """Check that all processes of a distributed training resume from the same checkpoint, or all from none.

    Raises:
        CheckpointError: they do not.
    """
    state = None if checkpoint is None else checkpoint.state
    step = -1.0 if state is None or state["run"] is None else float(state["run"]["step"])
    if sum_over_ranks([step])[0] != step * world_size():
        found = "found none" if step < 0 else f"found one after {step:.0f} batches"
        raise CheckpointError(
            f"rank {rank()} {found}, and others another: all processes must see the same files, in a folder that their "
            "machines share",
            path,
        )
