"""What callbacks cost a run: who took how much, measured in few batches, and who is named at the end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, Cost, Run, hookimpl
from cthulhu_core.run import costs
from cthulhu_core.run.costs import Costs

HERE = __name__


class Clock:
    """Time that passes when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, no_plugins: None) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cthulhu_core.run.run.Costs", lambda: Costs(clock))
    return clock


def trained(callbacks: list[Any], clock: Clock, epochs: int, batches: int, seconds: float, **arguments: Any) -> Run:
    model: Any = SimpleNamespace()
    with Run(model, epochs=epochs, callbacks=callbacks, **arguments) as run:
        for _ in run.epochs():
            for _ in run.batches(range(batches)):
                clock.spend(seconds)
                run.record(loss=1.0)
    return run


def spent(run: Run, name: str) -> dict[str, float]:
    """The seconds of a callback by hook."""
    return {cost.hook: cost.seconds for cost in run.costs() if cost.name == name}


class Spender(Callback):
    """Takes so many seconds in each of its hooks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_begin(self, logs: Any) -> None:
        self.clock.spend(5)

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.clock.spend(2)

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        self.clock.spend(0.25)

    def on_save_point(self) -> None:
        self.clock.spend(0.5)


def test_seconds_and_shares_are_exact_where_batches_take_long(clock: Clock) -> None:
    run = trained([Spender(clock)], clock, epochs=2, batches=10, seconds=1.0)
    assert spent(run, "Spender") == {
        "cthulhu_train_begin": 5.0,
        "cthulhu_epoch_end": 4.0,
        "cthulhu_batch_begin": 5.0,
        "cthulhu_save_point": 11.0,  # of 20 batches and two epochs
    }
    most = run.costs()[0]
    assert most == Cost("Spender", "", "cthulhu_save_point", 11.0, 11.0 / 45.0)
    assert [cost.seconds for cost in run.costs()] == sorted((cost.seconds for cost in run.costs()), reverse=True)


def test_sampled_batches_stand_for_those_that_were_not_timed(clock: Clock) -> None:
    calls = 0

    class Quick(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            nonlocal calls
            calls += 1
            clock.spend(0.00001)

    run = trained([Quick()], clock, epochs=1, batches=20_000, seconds=0.0001)
    assert calls == 20_000
    assert spent(run, "Quick")["cthulhu_batch_end"] == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("every", [2, 7, 100])
def test_callback_that_works_now_and_then_is_not_missed_or_counted_for_all(clock: Clock, every: int) -> None:
    class NowAndThen(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if batch % every == 0:
                clock.spend(0.0001)

    run = trained([NowAndThen()], clock, epochs=1, batches=100_000, seconds=0.0002)
    expected = 0.0001 * 100_000 / every
    assert spent(run, "NowAndThen")["cthulhu_batch_end"] == pytest.approx(expected, rel=0.35)


def test_what_happens_once_in_the_first_batch_counts_once(clock: Clock) -> None:
    class Warm(Callback):
        def on_batch_begin(self, batch: int, logs: Any) -> None:
            if batch == 0:
                clock.spend(3.0)

    run = trained([Warm()], clock, epochs=4, batches=500, seconds=0.00001)
    assert spent(run, "Warm") == {"cthulhu_batch_begin": pytest.approx(12.0)}


def test_batches_are_timed_so_seldom_that_it_costs_next_to_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = 0

    class Counting(Costs):
        def begin_batch(self) -> None:
            nonlocal timed
            timed += 1
            super().begin_batch()

    monkeypatch.setattr("cthulhu_core.run.run.Costs", lambda: Counting(clock))
    run: Any = Run(SimpleNamespace(), callbacks=[Spender(Clock()) for _ in range(5)])  # type: ignore[arg-type]
    with run:
        for _ in run.epochs():
            for _ in run.batches(range(20_000)):
                clock.spend(0.0001)
    # Five callbacks and BaseLogger: 12 calls in a batch of 100 microseconds, each of which takes a timer of one.
    assert timed * 12 * costs.SECONDS_OF_A_TIMER / (20_000 * 0.0001) < 0.0025
    assert timed > 100


def test_wrapper_is_not_charged_for_what_it_wraps(clock: Clock) -> None:
    class Around:
        @hookimpl(wrapper=True)
        def cthulhu_epoch_end(self) -> Iterator[None]:
            clock.spend(1)
            yield
            clock.spend(2)

    run = trained([Around(), Spender(clock)], clock, epochs=3, batches=0, seconds=0)
    assert spent(run, "Around") == {"cthulhu_epoch_end": 9.0}
    assert spent(run, "Spender")["cthulhu_epoch_end"] == 6.0


def test_failing_callback_is_charged_until_it_fails(clock: Clock) -> None:
    class Fails(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            clock.spend(4)
            raise ValueError("broken")

    model: Any = SimpleNamespace()
    run = Run(model, callbacks=[Fails()])
    with pytest.raises(ValueError, match="broken"), run:
        for _ in run.epochs():
            pass
    assert spent(run, "Fails") == {"cthulhu_epoch_end": 4.0}


def test_validation_and_prediction_are_accounted_for(clock: Clock) -> None:
    class Tests(Callback):
        def on_test_batch_end(self, batch: int, logs: Any) -> None:
            clock.spend(0.5)

        def on_predict_batch_end(self, batch: int, logs: Any) -> None:
            clock.spend(0.25)

    model: Any = SimpleNamespace()
    with Run(model, callbacks=[Tests()]) as run:
        for _ in run.epochs():
            for _ in run.test(range(4)):
                clock.spend(1)
            for _ in run.predict(range(4)):
                clock.spend(1)
    assert spent(run, "Tests") == {"cthulhu_test_batch_end": 2.0, "cthulhu_predict_batch_end": 1.0}


def test_costs_so_far_can_be_asked_for_within_the_run(clock: Clock) -> None:
    seen = []

    class Asks(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            seen.append(spent(self.run, "Spender")["cthulhu_epoch_end"])

    trained([Spender(clock), Asks()], clock, epochs=3, batches=1, seconds=1.0)
    assert seen == [2.0, 4.0, 6.0]


def test_run_that_is_used_again_begins_a_new_account(clock: Clock) -> None:
    run = trained([Spender(clock)], clock, epochs=1, batches=1, seconds=1.0)
    with run:
        pass
    assert spent(run, "Spender") == {"cthulhu_train_begin": 5.0}


def test_costly_callback_is_named_at_the_end_of_a_run_that_is_not_silent(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    trained([Spender(clock)], clock, epochs=2, batches=10, seconds=1.0, verbose=2)
    lines = [line for line in capsys.readouterr().out.splitlines() if "took" in line]
    assert lines == [
        "Callbacks took time: Spender 56% of the run, most in save_point. All of it: history.run.costs()",
    ]


@pytest.mark.parametrize(
    ("seconds", "verbose", "why"),
    [
        (1.0, 0, "silent"),
        (30.0, 1, "under five percent"),
    ],
)
def test_nobody_is_named_where(
    clock: Clock, capsys: pytest.CaptureFixture[str], seconds: float, verbose: int, why: str
) -> None:
    trained([Spender(clock)], clock, epochs=2, batches=10, seconds=seconds, verbose=verbose)
    assert "took" not in capsys.readouterr().out, why


def test_milliseconds_are_not_worth_a_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    class Brief(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            clock.spend(0.02)

    run = trained([Brief()], clock, epochs=2, batches=1, seconds=0.01, verbose=1)
    assert spent(run, "Brief")["cthulhu_epoch_end"] / clock.now > 0.5
    assert "took" not in capsys.readouterr().out


def test_package_and_real_seconds_of_an_installed_callback(train: Callable[..., Run]) -> None:
    class Sleeps(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            time.sleep(0.05)

    run = train(Sleeps(), losses=[[1.0]] * 3)
    first = run.costs()[0]
    assert (first.name, first.package, first.hook) == ("Sleeps", "", "cthulhu_epoch_end")
    assert first.seconds >= 0.15
    assert 0.5 < first.share <= 1.0
    history = next(cost for cost in run.costs() if cost.name == "History")
    assert re.fullmatch(r"cthulhu-core \d+\.\d+.*", history.package)
    assert run.history.run.costs() == run.costs()


def test_drawing_of_batches_leaves_the_generators_of_the_training_alone(clock: Clock) -> None:
    import random

    random.seed(3)
    expected = random.Random(3).random()
    trained([Spender(Clock())], clock, epochs=1, batches=2_000, seconds=0.0001)
    assert random.random() == expected
