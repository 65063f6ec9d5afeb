"""Trainings that take a millisecond a batch: by ``summon``, in a hand-written loop, and with given values."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from cthulhu_core.run.run import Run

if TYPE_CHECKING:
    from torch import Tensor

    from cthulhu_core.models.checkpoint import Checkpoint
    from cthulhu_core.models.lump import Lump

EPOCHS, BATCHES, BATCH_SIZE = 2, 3, 2


class Planted(Exception):
    """An exception that a standard test raises."""


class Interrupted(KeyboardInterrupt):
    """A Ctrl-C of a standard test."""


@dataclass
class Outcome:
    """How a training ended.

    Attributes:
        model: the model.
        run: the run; None if it could not be made.
        error: the exception of the training, or None.
        forgiven: exceptions that did not end the training: of observers, and of all callbacks while the run ended.
        warned: the warnings.
    """

    model: Any
    run: Run | None = None
    error: BaseException | None = None
    forgiven: list[BaseException] = field(default_factory=list)
    warned: list[warnings.WarningMessage] = field(default_factory=list)

    @property
    def failures(self) -> list[BaseException]:
        """All exceptions except those that a test raised itself."""
        raised = [*([] if self.error is None else [self.error]), *self.forgiven]
        return [error for error in raised if not isinstance(error, (Planted, Interrupted))]

    @property
    def history(self) -> dict[str, list[Any]]:
        """The values that the epochs logged."""
        return {} if self.run is None else self.run.history.history

    @property
    def epochs(self) -> list[int]:
        """The epochs that ended."""
        return [] if self.run is None else self.run.history.epoch


def tiny_model() -> Lump:
    """Return a conjured model with two inputs and one output, and constant weights.

    Example:
        >>> tiny_model().get_weights()
        [array([[ 0.5, -0.25]], dtype=float32), array([0.], dtype=float32)]
    """
    import torch
    from torch import nn

    from cthulhu_core.models.lump import Lump

    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.25]]))
        layer.bias.zero_()
    model = Lump(nn.Sequential(layer))
    model.conjure("sgd", "mse", metrics=["mae"])
    return model


def tiny_data() -> tuple[Tensor, Tensor]:
    """Return six samples: inputs of shape (6, 2) and targets of shape (6, 1), float32."""
    import torch

    inputs = torch.linspace(-1.0, 1.0, EPOCHS * BATCHES * BATCH_SIZE).reshape(-1, 2)
    return inputs, inputs.sum(1, keepdim=True)


def tiny_run(
    callbacks: Any = None,
    *,
    epochs: int = EPOCHS,
    validation: bool = True,
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Train the tiny model with ``summon``, three batches an epoch.

    Args:
        callbacks: as in ``summon``.
        epochs: index at which training ends.
        validation: whether each epoch is validated.
        checkpoint: the checkpoint to resume from.

    Example:
        >>> tiny_run(epochs=2).epochs
        [0, 1]
    """
    model = tiny_model()
    inputs, targets = tiny_data()

    def train() -> None:
        model.summon(
            inputs, targets, batch_size=BATCH_SIZE, epochs=epochs, verbose=0, callbacks=callbacks,
            validation_data=(inputs, targets) if validation else None,
            resume_from=None if checkpoint is None else "the checkpoint of the test",
        )  # fmt: skip

    with _loading(checkpoint):
        outcome = watched(model, train)
    outcome.run = getattr(model, "_run", None)
    return outcome


def own_loop(callbacks: Any = None, *, epochs: int = EPOCHS) -> Outcome:
    """Train in a hand-written loop, which passes the run neither its metrics nor the number of its batches."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, targets = tiny_data()
    outcome = Outcome(model)

    def batches() -> Iterator[Any]:
        yield from zip(inputs.split(BATCH_SIZE), targets.split(BATCH_SIZE), strict=True)

    def train() -> None:
        outcome.run = run = Run(model, optimizer, epochs, callbacks)
        with run:
            for _ in run.epochs():
                for x, y in run.batches(batches()):
                    loss = nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    run.gradients()
                    optimizer.step()
                    optimizer.zero_grad()
                    run.record(loss=loss)

    return watched(model, train, outcome)


Values = Mapping[str, Any]


def written_run(
    callbacks: Any,
    epochs: Sequence[Values],
    validations: Sequence[Values | None] | None = None,
    metrics: Sequence[str] = (),
) -> Outcome:
    """Run without computing anything: each epoch has two batches that record given values.

    Args:
        callbacks: as in ``Run``.
        epochs: the values of the batches of each epoch, by name.
        validations: the same for its validation; None for an epoch without one.
        metrics: the names that the run is given in advance.

    Example:
        >>> written_run(None, [{"loss": 1.0}, {"loss": float("nan")}]).history
        {'loss': [1.0, nan]}
    """
    import torch

    model = tiny_model()
    outcome = Outcome(model)
    planned = validations if validations is not None else [None] * len(epochs)

    def train() -> None:
        outcome.run = run = Run(
            model, model.optimizer, len(epochs), callbacks, metrics=metrics, validation=any(planned), steps=2
        )
        with run:
            for epoch in run.epochs():
                for _ in run.batches([torch.zeros(2, 2)] * 2):
                    run.record(**{name: torch.tensor(value) for name, value in epochs[epoch].items()})
                validation = planned[epoch]
                if validation is not None:
                    for _ in run.test([torch.zeros(2, 2)]):
                        run.record(**{name: torch.tensor(value) for name, value in validation.items()})

    return watched(model, train, outcome)


def watched(model: Any, train: Callable[[], object], outcome: Outcome | None = None) -> Outcome:
    """Call ``train`` with fixed random numbers, restore the generators, and return the outcome."""
    outcome = Outcome(model) if outcome is None else outcome
    with warnings.catch_warnings(record=True) as outcome.warned, _failures_logged(outcome.forgiven), _seeded():
        warnings.simplefilter("always")
        try:
            train()
        except (Exception, SystemExit, Interrupted) as error:  # noqa: BLE001 - it is what the tests are about
            outcome.error = error
    return outcome


@contextlib.contextmanager
def _failures_logged(failures: list[BaseException]) -> Iterator[None]:
    """Collect the exceptions that a run logs and survives."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                failures.append(record.exc_info[1])

    logger, handler = logging.getLogger("cthulhu"), Collect(logging.ERROR)
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # expected logs should not be printed below a failure
    try:
        yield
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    import random

    import numpy as np
    import torch

    from cthulhu_core.run.random_state import random_state, set_random_state

    before = random_state()
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        set_random_state(before)


@contextlib.contextmanager
def _loading(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Load ``checkpoint`` from every file, so that the contract needs no file format."""
    from cthulhu_core.installed import model_files

    with pytest.MonkeyPatch.context() as patch:
        if checkpoint is not None:
            patch.setattr(model_files, "load_checkpoint", lambda path: checkpoint)
        yield
