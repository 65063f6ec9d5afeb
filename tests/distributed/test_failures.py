"""Where one of several processes ends, the others end as well, soon, and say which it was and why."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cthulhu_core.testing import run_ranks

BEGIN = dedent("""
    import os
    import signal
    import torch
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump

    torch.set_num_threads(1)
    X, Y = torch.randn(160, 6), torch.randint(0, 4, (160,))

    class Bomb(Callback):
        def on_teardown(self):
            print("closed")

    def train(callbacks=(), **named):
        model = Lump(torch.nn.Linear(6, 4))
        model.conjure("sgd", torch.nn.CrossEntropyLoss())
        options = {"batch_size": 8, "epochs": 3, "verbose": 0, "validation_split": 0.2, "callbacks": callbacks}
        return model.summon(X, Y, **(options | named))
""")
HOOKS = ["train_begin", "epoch_begin", "batch_begin", "gradients", "save_point", "test_begin", "epoch_end"]


@pytest.mark.parametrize("hook", ["batch_end", *(pytest.param(each, marks=pytest.mark.slow) for each in HOOKS)])
def test_others_say_which_process_failed_where_and_why(tmp_path: Path, hook: str) -> None:
    code = f"""
    def fail(self, *arguments):
        if rank == 1 and (self.run.epoch or 0) == {0 if hook == "train_begin" else 1}:
            raise ValueError("out of luck")

    Bomb.on_{hook} = fail
    train(Bomb())
    """
    first, second = run_ranks(BEGIN + dedent(code), tmp_path, timeout=60)
    assert second.status == 1
    assert first.status != 0
    assert first.printed == second.printed == "closed\n"
    assert "rank 0: training ends here, because rank 1 has failed, in Bomb (module __main__), hook cthulhu_" in (
        first.errors
    )
    assert f"hook cthulhu_{hook}" in first.errors
    assert first.errors.splitlines()[-1].endswith("ValueError: out of luck")
    assert f"in Bomb (module __main__), hook cthulhu_{hook}" in second.errors
    assert ", rank 1" in second.errors


@pytest.mark.parametrize(
    ("number", "status", "why"),
    [
        (signal.SIGKILL, -9, "ended without a message: it was killed, or its machine is gone"),
        pytest.param(signal.SIGTERM, 143, "was asked to end", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 1, "was interrupted (Ctrl-C)", marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_others_say_that_one_was_ended(tmp_path: Path, number: signal.Signals, status: int, why: str) -> None:
    code = f"""
    class End(Bomb):
        def on_batch_end(self, batch, logs):
            if rank == 1 and self.run.step == 20:
                os.kill(os.getpid(), {number.value})

    train(End())
    """
    first, second = run_ranks(BEGIN + dedent(code), tmp_path, timeout=60)
    assert first.status == 1
    assert second.status in (status, -number)
    assert f"rank 0: training ends here, because rank 1 {why}" in first.errors
    assert first.printed == "closed\n"
    assert second.printed == ("" if number is signal.SIGKILL else "closed\n")


@pytest.mark.slow
def test_interrupt_of_all_is_nobody_s_fault(tmp_path: Path) -> None:
    code = """
    class Interrupt(Bomb):
        def on_batch_end(self, batch, logs):
            if self.run.step == 20:
                os.kill(os.getpid(), signal.SIGINT)

    train(Interrupt())
    """
    for rank in run_ranks(BEGIN + dedent(code), tmp_path, timeout=60):
        assert rank.status != 0
        assert "KeyboardInterrupt" in rank.errors
        assert "training ends here" not in rank.errors


@pytest.mark.slow
def test_argument_that_one_refuses_ends_all(tmp_path: Path) -> None:
    first, second = run_ranks(BEGIN + "train(validation_freq=-1 if rank == 1 else 1)", tmp_path, timeout=60)
    assert (first.status, second.status) == (1, 1)
    assert "because rank 1 has failed: ValueError: validation_freq" in first.errors


@pytest.mark.slow
def test_others_do_not_wait_for_one_that_has_caught_its_error_and_lives_on(tmp_path: Path) -> None:
    code = """
    import time

    class Fail(Callback):
        def on_batch_end(self, batch, logs):
            if rank == 1:
                raise ValueError("and now?")

    try:
        train(Fail())
    except ValueError:
        time.sleep(25)
    """
    first, second = run_ranks(BEGIN + dedent(code), tmp_path, timeout=60)
    assert (first.status, second.status) == (1, 0)
    assert "rank 0: this process is ended, because rank 1 has failed, in Fail (module __main__), hook cthulhu_" in (
        first.errors
    )


@pytest.mark.slow
def test_callback_of_the_main_process_cannot_call_a_model_in_parts(tmp_path: Path) -> None:
    code = """
    class Main(Callback):
        ranks = "main"

        def on_epoch_end(self, epoch, logs):
            self.model.evaluate(X, Y, verbose=0)

    class All(Callback):
        def on_epoch_end(self, epoch, logs):
            assert self.model.predict(X).shape == (160, 4)
            print(self.model.evaluate(X, Y, verbose=0))

    for callback in (All(), Main()):
        model = Lump(torch.nn.Linear(6, 4))
        model.conjure("sgd", torch.nn.CrossEntropyLoss(), strategy="fsdp")
        data = torch.ones(16, 6), torch.ones(16, dtype=torch.int64)
        model.summon(*data, 4, epochs=1 if isinstance(callback, All) else 2, verbose=0, callbacks=callback)
    """
    first, second = run_ranks(BEGIN + dedent(code), tmp_path, timeout=60)
    assert first.status == 1
    assert "evaluate() in a callback of the main process alone" in first.errors
    assert "let the callback say ranks = 'all'" in second.errors
    assert len(first.printed.split()) == 1


PREEMPTED = """
import os
import time
import torch
from cthulhu.callbacks import Callback
from cthulhu.models import Lump

class Slow(Callback):
    def on_batch_end(self, batch, logs):
        if self.run.step == 3:
            print("begun", flush=True)
        time.sleep(0.05)

    def on_teardown(self):
        print("closed", flush=True)

torch.set_num_threads(1)
model = Lump(torch.nn.Linear(6, 4))
model.conjure("sgd", torch.nn.CrossEntropyLoss())
model.summon(torch.randn(160, 6), torch.randint(0, 4, (160,)), 8, epochs=500, verbose=0, callbacks=Slow())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM that a process could handle")
def test_preempted_job_ends_its_runs(torchrun: Any) -> None:
    job = torchrun.start(PREEMPTED, CTHULHU_DISABLE="*")
    begun = ""
    while begun.count("begun") < 2:
        begun += job.stdout.readline()
    job.terminate()
    printed, _ = job.communicate(timeout=60)
    assert printed.count("closed") == 2
    assert job.returncode != 0


@pytest.mark.slow
def test_training_after_one_that_failed_in_all_is_not_ended_by_it(tmp_path: Path) -> None:
    code = """
    import time

    class Fail(Callback):
        def on_epoch_end(self, epoch, logs):
            raise ValueError("once, in each")

    class Slow(Callback):
        def on_epoch_begin(self, epoch, logs):
            time.sleep(5)

    try:
        train(Fail())
    except ValueError as error:
        print(error)
    print(train(Slow()).epoch)
    """
    ranks = run_ranks(BEGIN + dedent(code), tmp_path, timeout=90)
    assert [(rank.status, rank.printed) for rank in ranks] == [(0, "once, in each\n[0, 1, 2]\n")] * 2, ranks[0].errors
