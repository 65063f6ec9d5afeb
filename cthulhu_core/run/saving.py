"""The state that a run saves to checkpoints and loads from them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

from cthulhu_core.contract.hookspecs import Logs
from cthulhu_core.installed import model_files
from cthulhu_core.run.state import run_state

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


class Saving:
    """The state of a :class:`Run`, saved and restored."""

    model: Any
    epoch: int | None
    step: int
    finished_logs: Logs
    stateful_metrics: Collection[str]
    kept: dict[str, Any]
    _next_epoch: int
    _step_of_epoch: int
    _at_save_point: bool
    _data: Any
    _data_state: Any

    if TYPE_CHECKING:  # what Run brings

        @property
        def is_training(self) -> bool: ...

    @property
    def next_batch(self) -> tuple[int, int]:
        """The epoch, and the batch in it, that come next; both from 0."""
        return self._next_epoch, self.step - self._step_of_epoch if self._next_epoch == self.epoch else 0

    @property
    def is_settled(self) -> bool:
        """Whether all participants have seen the last hook: at a save point, and while no training is running."""
        return self._at_save_point or not self.is_training

    @property
    def is_sharded(self) -> bool:
        """Whether each process of a distributed training holds a part of the weights (``strategy="fsdp"``)."""
        from cthulhu_core.distributed.sharding import has_parts

        return has_parts(self.model)

    @property
    def conjured(self) -> dict[str, Any] | None:
        """The arguments of ``model.conjure(...)`` as plain data; None if the model has no ``conjure``.

        ``optimizer``, ``loss``, ``metrics``, ``loss_weights`` and ``options``: ``{"name": "mse"}``,
        ``{"function": "torch.relu"}``, ``{"object": {"class": ..., "arguments": ...}}``, ``{"list": [...]}``,
        ``{"plain": ...}``, ``{"unknown": "why"}``.
        """
        describe = getattr(self.model, "_describe_conjured", None)
        return None if describe is None else describe()

    @property
    def metric_objects(self) -> dict[str, Any]:
        """The metrics that keep their own state, by name, if the loop has passed them."""
        return dict(self.stateful_metrics) if isinstance(self.stateful_metrics, Mapping) else {}

    def keep(self, name: str, stateful: Any) -> None:
        """Include an object of the loop in checkpoints, such as a learning rate scheduler or a gradient scaler.

        Args:
            name: its name in checkpoints.
            stateful: has ``state_dict()``, which returns plain data and tensors, and ``load_state_dict(state)``, which
                is called on resume, after ``train_begin`` or ``epoch_begin``.

        Raises:
            RuntimeError: training has begun.

        Example:
            >>> run = Run(model, optimizer=opt, epochs=3, resume_from=None)
            >>> run.keep("scheduler", torch.optim.lr_scheduler.StepLR(opt, 2))
        """
        if self.is_training:
            raise RuntimeError(f"keep({name!r}): training has begun: call it before `with run:`")
        self.kept[name] = stateful

    def save(self, filepath: str | os.PathLike[str], weights_only: bool = False, background: bool = False) -> Any:
        """Save the model and the state of its training, so that it can be resumed; or only the weights.

        Args:
            filepath: the file; its suffix selects the format.
            weights_only: save nothing but the weights.
            background: write a copy in the background while training continues, if the format can.

        Returns:
            With ``background``, a ``concurrent.futures.Future`` that completes when the file is written; else None.

        Raises:
            ImportError: no installed package saves files with this suffix; the message says which one to install.
            CheckpointError, OSError: the file cannot be saved; an existing file is unchanged.
        """
        return model_files.save(self.model, filepath, weights_only, cast("Run", self), background)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs, as plain data and tensors, which are not copies.

        Model and optimizer are not in it: ``Checkpoint.of(model, run)`` has everything.
        """
        return run_state(cast("Run", self))

    def data_state(self) -> Any:
        """Return what the current pass over the data needs to continue."""
        return self._data_state if self._data is None else self._data.pass_state()

    def go_on(self, step: int, batch: int, logs: Logs) -> None:
        """Continue where a checkpoint was saved: after ``step`` batches, ``batch`` of them in this epoch."""
        self.step, self._step_of_epoch, self.finished_logs = step, step - batch, logs
