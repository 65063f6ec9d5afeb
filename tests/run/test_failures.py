"""A failure of a callback ends the run, and every other callback is still notified."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, Run, __version__, hookimpl
from failing import Witness, failing, notes

pytestmark = pytest.mark.usefixtures("no_plugins")


def test_exception_ends_the_run_and_everybody_is_told(train: Callable[..., Run]) -> None:
    first, last = Witness(), Witness()
    with pytest.raises(ValueError, match="the bug"):
        train([first, failing("on_batch_end"), last])
    told = ["witness exception ValueError('the bug')", "witness train_end {}", "witness teardown"]
    assert first.heard == told
    assert last.heard == told


def test_note_names_callback_module_hook_epoch_and_batch(train: Callable[..., Run]) -> None:
    class Late(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if (self.run.epoch, batch) == (1, 2):
                raise ValueError("the bug")

    with pytest.raises(ValueError, match="the bug") as caught:
        train(Late(), [[1.0] * 3] * 2)
    assert notes(caught) == [f"in Late (module {__name__}), hook cthulhu_batch_end, epoch 1, batch 2"]


def test_note_names_package_and_version(train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    callback = failing("on_epoch_begin")
    monkeypatch.setattr(type(callback), "__module__", "pluggy.somewhere")
    import pluggy

    with pytest.raises(ValueError, match="the bug") as caught:
        train(callback)
    assert notes(caught) == [f"in Failing (pluggy {pluggy.__version__}), hook cthulhu_epoch_begin, epoch 0"]


def test_note_names_core_for_what_is_in_core(train: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match="'loss' is recorded as 'low'") as caught:
        train(None, [["low"]])
    where = "hook cthulhu_batch_end, epoch 0, batch 0"
    assert notes(caught) == [f"in BaseLogger (cthulhu-core {__version__}), {where}"]


def test_exception_of_the_loop_gets_no_note_and_everybody_is_told() -> None:
    model: Any = SimpleNamespace()
    witness = Witness()
    run = Run(model, epochs=2, callbacks=witness)

    def loop() -> None:
        with run:
            for epoch in run.epochs():
                for loss in run.batches([1.0]):
                    run.record(loss=loss / (1 - epoch))

    with pytest.raises(ZeroDivisionError) as caught:
        loop()
    assert not hasattr(caught.value, "__notes__")
    assert witness.heard == [
        "witness exception ZeroDivisionError('float division by zero')",
        "witness train_end {'loss': 1.0}",  # of the last epoch that was finished
        "witness teardown",
    ]
    assert run.history.history == {"loss": [1.0]}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_error", ["raise", "disable"])
def test_interrupt_finishes_the_books_and_propagates(
    train: Callable[..., Run], interrupt: type[BaseException], on_error: str
) -> None:
    witness = Witness()
    with pytest.raises(interrupt) as caught:
        train([failing("on_epoch_begin", interrupt(), on_error=on_error), witness])
    assert not hasattr(caught.value, "__notes__")
    assert witness.heard == [f"witness exception {interrupt()!r}", "witness train_end {}", "witness teardown"]


def test_failure_in_train_begin_tells_everybody_and_nobody_is_called_afterwards(train: Callable[..., Run]) -> None:
    class Begun(Witness):
        def on_train_begin(self, logs: Any) -> None:
            self.heard.append(f"{self.name} train_begin")

    heard: list[str] = []
    with pytest.raises(ValueError, match="the bug"):
        train([Begun("a", heard), failing("on_train_begin"), Begun("b", heard)])
    assert heard == [
        "a train_begin",
        *("a exception ValueError('the bug')", "b exception ValueError('the bug')"),
        *("b teardown", "a teardown"),
    ]


@pytest.mark.parametrize("method", ["set_params", "set_model"])
def test_failure_before_train_begin_is_noted_and_torn_down(train: Callable[..., Run], method: str) -> None:
    witness = Witness()
    with pytest.raises(ValueError, match="the bug") as caught:
        train([witness, failing(method)])
    assert notes(caught) == [f"in Failing (module failing), hook {method}"]
    assert witness.heard == ["witness exception ValueError('the bug')", "witness teardown"]


def test_observer_that_cannot_begin_ends_training_before_it_begins(train: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match="the bug"):
        train(failing("on_train_begin", on_error="disable"))


@pytest.mark.parametrize("method", ["on_train_end", "on_teardown"])
def test_failure_at_the_end_is_raised_when_all_others_were_called(train: Callable[..., Run], method: str) -> None:
    before, after = Witness(), Witness()
    with pytest.raises(ValueError, match="the bug") as caught:
        train([before, failing(method), after], [[1.0]])
    assert notes(caught)[0].startswith("in Failing")
    assert f"hook cthulhu_{method.removeprefix('on_')}" in notes(caught)[0]
    told = ["witness train_end {'loss': 1.0}", "witness teardown"]
    if method == "on_train_end":
        told.insert(1, "witness exception ValueError('the bug')")
    assert before.heard == told
    assert after.heard == told


def test_failures_while_a_run_ends_do_not_hide_what_ended_it(
    train: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = [
        failing("on_batch_end"),
        failing("on_exception", KeyError("second")),
        failing("on_teardown", OSError(3)),
    ]
    with pytest.raises(ValueError, match="the bug"):
        train(callbacks)
    assert [record.getMessage() for record in caplog.records] == [
        "while the run was ending: 'second'",
        "while the run was ending: 3",
    ]
    assert all(record.exc_info for record in caplog.records)


def test_train_end_is_told_the_last_finished_epoch(train: Callable[..., Run]) -> None:
    witness = Witness()
    stop = failing("on_epoch_begin")
    stop.on_epoch_begin = lambda epoch, logs: 1 / (2 - epoch)  # type: ignore[assignment, method-assign]
    with pytest.raises(ZeroDivisionError):
        train([witness, stop], [[1.0], [2.0], [3.0]])
    assert witness.heard[1] == "witness train_end {'loss': 2.0}"


class Wrapper:
    """Records what it sees around the others."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @hookimpl(wrapper=True)
    def cthulhu_epoch_end(self, epoch: int, logs: Any) -> Any:
        self.heard.append(f"before {epoch} {logs}")
        try:
            result = yield
        except ValueError as error:
            self.heard.append(f"saw {error}")
            raise
        self.heard.append(f"after {epoch} {logs}")
        return result


def test_wrapper_sees_before_and_after_of_all_others(train: Callable[..., Run]) -> None:
    wrapper = Wrapper()
    train(wrapper, [[1.0], [2.0]])
    assert wrapper.heard == ["before 0 {}", "after 0 {'loss': 1.0}", "before 1 {}", "after 1 {'loss': 2.0}"]


def test_wrapper_sees_the_failure_of_others_and_is_not_blamed(train: Callable[..., Run]) -> None:
    wrapper = Wrapper()
    with pytest.raises(ValueError, match="the bug") as caught:
        train([wrapper, failing("on_epoch_end")])
    assert wrapper.heard == ["before 0 {}", "saw the bug"]
    assert notes(caught) == ["in Failing (module failing), hook cthulhu_epoch_end, epoch 0"]


def test_wrapper_may_swallow_a_failure(train: Callable[..., Run]) -> None:
    class Swallow:
        @hookimpl(wrapper=True)
        def cthulhu_epoch_end(self) -> Any:
            try:
                return (yield)
            except ValueError:
                return None

    class First(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            raise ValueError("swallowed")

    # As in pluggy, those after the one that failed are not called: History has no epoch.
    assert train([Swallow(), First()]).history.epoch == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_failing_wrapper_is_blamed_itself(train: Callable[..., Run], place: str) -> None:
    class Broken:
        @hookimpl(wrapper=True)
        def cthulhu_epoch_end(self) -> Any:
            if place == "before":
                raise ValueError("broken")
            yield
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken") as caught:
        train(Broken())
    assert notes(caught) == [f"in Broken (module {__name__}), hook cthulhu_epoch_end, epoch 0"]


def test_wrapper_around_teardown_does_not_keep_others_from_being_called(train: Callable[..., Run]) -> None:
    heard: list[str] = []

    class Around:
        @hookimpl(wrapper=True)
        def cthulhu_teardown(self) -> Any:
            heard.append("before")
            yield
            heard.append("after")

    class Broken:
        @hookimpl(wrapper=True)
        def cthulhu_teardown(self) -> Any:
            raise ValueError("broken wrapper")
            yield

    with pytest.raises(ValueError, match="broken wrapper"):
        train([Witness("a", heard), Around(), Broken(), failing("on_teardown"), Witness("b", heard)], [[1.0]])
    assert heard[2:] == ["before", "b teardown", "a teardown", "after"]
