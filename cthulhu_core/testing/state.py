"""Standard tests of the state of a callback, saved in a checkpoint and restored."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cthulhu_core.checkpoints.packing import pack
from cthulhu_core.contract.conformance import name_of
from cthulhu_core.models.checkpoint import Checkpoint
from cthulhu_core.run.run import Run
from cthulhu_core.testing.comparison import differences
from cthulhu_core.testing.failure_messages import broken, described_error
from cthulhu_core.testing.faults import At
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import BATCHES, Planted, tiny_run

_CURE = (
    "let state_dict() return everything that the callback keeps between batches, and load_state_dict() restore all of "
    "it; both are called after on_train_begin(), which may reset it"
)


class State(Subject):
    """The state of a callback, saved in a checkpoint and restored."""

    def test_state_is_plain_data(self) -> None:
        """A file format can store it, and reading it runs no code."""
        callback = self.make()
        succeed(callback, tiny_run(callback), "in a training of two epochs", MEND)
        try:
            pack(_state_of(callback), "state_dict()")
        except TypeError as error:
            broken(
                callback, "has a state that no checkpoint can store",
                expected="numbers, text, lists, tuples, dicts, tensors and NumPy arrays", found=str(error),
                cure="return sorted(a_set), str(a_path), float(a_number), the attributes of an object, ...",
            )  # fmt: skip

    def test_state_comes_back_as_it_was(self) -> None:
        """``state_dict`` returns what ``load_state_dict`` was given."""
        callback = self.make()
        saves = Saves()
        succeed(callback, tiny_run([callback, saves]), "while it is saved", _CURE)
        checkpoint = saves.last
        fresh: Any = self.make()
        found: list[dict[str, Any]] = []
        look = At("train_end", lambda run: found.append(_state_of(fresh)))
        assert checkpoint.state is not None
        outcome = tiny_run([look, fresh], epochs=checkpoint.state["run"]["epoch"], checkpoint=checkpoint)
        succeed(fresh, outcome, "when its state is loaded", _CURE)
        saved = _saved_state(checkpoint, callback)
        if changed := differences(self._kept(saved), self._kept(found[0]), ("was saved", "is given back")):
            broken(
                callback, "does not restore its state",
                expected="after load_state_dict(state), state_dict() returns that state",
                found=changed, cure=_CURE,
            )  # fmt: skip

    def test_resumed_run_ends_as_one_never_interrupted(self) -> None:
        """Two epochs, a crash and the remaining two epochs equal four epochs."""
        self._compare_with_resumed("epoch_begin", 2 * BATCHES, "between two epochs")

    def test_run_resumed_in_the_midst_of_an_epoch_ends_as_one_never_interrupted(self) -> None:
        """A crash between two batches makes no difference, either."""
        self._compare_with_resumed("batch_begin", BATCHES + 2, "in the middle of an epoch")

    def test_it_survives_pickling_when_it_says_so(self) -> None:
        """A pickled copy, made before or after a training, logs what the original does."""
        if not self.picklable:
            pytest.skip("pickling is not promised: set picklable = True in the test class to check it")
        callback = self.make()
        cure = "leave out of __getstate__() what cannot leave the process: the run, the model, open files, threads"
        for when in ("before its first training", "after a training"):
            try:
                copy = pickle.loads(pickle.dumps(callback))
            except Exception as error:  # noqa: BLE001 - __getstate__ is the author's
                broken(callback, f"cannot be pickled {when}", expected="picklable = True says that it can",
                       found=described_error(error), cure=cure)  # fmt: skip
            outcome, original = tiny_run(copy), tiny_run(callback)
            succeed(copy, outcome, f"as a copy that was pickled {when}", cure)
            if changed := differences(original.history, outcome.history, ("by the original", "by the copy")):
                broken(callback, f"changes when it is pickled {when}", expected="a copy logs the same",
                       found=changed, cure=cure)  # fmt: skip

    def _compare_with_resumed(self, hook: str, step: int, where: str) -> None:
        def crash(run: Run) -> None:
            if run.step == step:
                raise Planted("the process was killed here")

        whole, interrupted, resumed = Saves(), Saves(), Saves()
        with _folder("whole"):
            callback = self.make()
            straight = tiny_run([callback, whole], epochs=4)
        with _folder("resumed"):
            first = self.make()
            broken_off = tiny_run([first, interrupted, At(hook, crash)], epochs=4)
            if not interrupted.checkpoints:
                succeed(first, broken_off, "before the run can be saved", MEND)
            second = self.make()
            outcome = tiny_run([second, resumed], epochs=4, checkpoint=interrupted.last)
        succeed(second, outcome, f"in a run that is resumed {where}", _CURE)
        last = interrupted.last
        states = [saves.last if saves.checkpoints else last for saves in (whole, resumed)]
        pairs: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("other logs", straight.history, outcome.history),
            ("another state", _saved_state(states[0], callback), _saved_state(states[1], callback)),
        ]
        for what, expected, found in pairs:
            if changed := differences(self._kept(expected), self._kept(found), ("without a break", "with it")):
                broken(
                    callback, f"has {what} at the end of a run resumed {where}",
                    expected="a resumed run ends like an uninterrupted one",
                    found=changed, cure=_CURE + ". What is another one in each run, such as a number drawn for it, is "
                    "declared in the test: new_in_each_run = ('name',)",
                )  # fmt: skip

    def _kept(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in self.new_in_each_run}


class Saves(At):
    """Keeps the checkpoint of each save point."""

    def __init__(self) -> None:
        self.checkpoints: list[Checkpoint] = []
        super().__init__("save_point", self._save)

    def _save(self, run: Run) -> None:
        self.checkpoints.append(Checkpoint.of(run.model, run).copied())

    @property
    def last(self) -> Checkpoint:
        """The newest checkpoint."""
        return self.checkpoints[-1]


def _saved_state(checkpoint: Checkpoint, callback: object) -> dict[str, Any]:
    """Return the state of ``callback`` in ``checkpoint``."""
    assert checkpoint.state is not None
    records: list[dict[str, Any]] = checkpoint.state["run"]["callbacks"]
    states: list[dict[str, Any]] = [
        record["state"] for record in records if record["given"] and record["name"] == name_of(callback)
    ]
    return states[0]


def _state_of(callback: Any) -> dict[str, Any]:
    """Return the state of a callback; only a ``Callback`` must have one."""
    state: dict[str, Any] = getattr(callback, "state_dict", dict)()
    return state


@contextlib.contextmanager
def _folder(name: str) -> Iterator[None]:
    """Make the folder ``name`` the current one."""
    here = Path.cwd()
    (here / name).mkdir()
    os.chdir(here / name)
    try:
        yield
    finally:
        os.chdir(here)
