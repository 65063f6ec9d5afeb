"""Standard tests of what a callback leaves behind when a run is over."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from typing import Any

import pytest

from cthulhu_core.run.random_state import random_state
from cthulhu_core.testing.comparison import comparable, differences
from cthulhu_core.testing.failure_messages import broken, shown
from cthulhu_core.testing.faults import At
from cthulhu_core.testing.leaks import new_threads, open_files
from cthulhu_core.testing.lifecycle import fail
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import Outcome, tiny_run


class Ending(Subject):
    """What a callback leaves behind when a run is over."""

    def test_teardown_without_a_beginning_is_fine(self) -> None:
        """If an earlier callback fails at train begin, it gets its teardown and nothing else."""
        callback = self.make()
        succeed(
            callback, tiny_run([At("train_begin", fail), callback]), "in the teardown of a run that did not begin",
            "set in __init__() what on_teardown() closes: self._file = None",
        )  # fmt: skip

    def test_teardown_happens_once(self) -> None:
        """Teardown is called exactly once, whether training ends by itself or by an exception."""
        for others, when in (([], "in a training of two epochs"), ([At("batch_end", fail)], "after an exception")):
            callback = self.make()
            count = _calls_of_teardown(callback, [callback, *others])
            if count not in (None, 1):
                broken(
                    callback, f"is torn down {count} times {when}",
                    expected="once, by the run, as its last hook", found=f"{count} calls",
                    cure="do not call it yourself; put code that two hooks need into another method",
                )  # fmt: skip

    def test_no_file_is_left_open(self) -> None:
        """Files and sockets are closed when the run is over, however it ended."""
        tiny_run(self.make())  # files that a library opens once and keeps
        for others, when in (([], "a training of two epochs"), ([At("test_begin", fail)], "an exception")):
            callback = self.make()
            with warnings.catch_warnings():  # earlier tests may have left files open
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            before = open_files()
            outcome = tiny_run([callback, *others])
            left = [shown(target) for number, target in open_files().items() if before.get(number) != target]
            left += [str(warning.message) for warning in outcome.warned if warning.category is ResourceWarning]
            if left:
                broken(
                    callback, f"leaves a file open after {when}",
                    expected="on_teardown() closes every file it opened", found="\n".join(left),
                    cure="close it in on_teardown(), which is called no matter how the run ends, unlike on_train_end()",
                )  # fmt: skip

    def test_no_thread_is_left_running(self) -> None:
        """Threads have ended when the run is over, however it ended."""
        tiny_run(self.make())
        for others, when in (([], "a training of two epochs"), ([At("test_begin", fail)], "an exception")):
            callback = self.make()
            before = set(threading.enumerate())
            tiny_run([callback, *others])
            if left := new_threads(before):
                broken(
                    callback, f"leaves a thread running after {when}",
                    expected="every thread it started has ended after on_teardown()",
                    found="\n".join(thread.name for thread in left),
                    cure="stop and join it in on_teardown()",
                )  # fmt: skip

    def test_process_is_left_as_it_was(self) -> None:
        """Settings of Python, PyTorch and the operating system are as before."""
        tiny_run()  # settings that PyTorch changes when it first trains
        callback = self.make()
        before = _settings()
        outcome = tiny_run(callback)
        after = _settings()
        succeed(callback, outcome, "in a training of two epochs", MEND)
        if changed := differences(before, after, ("before", "after")):
            broken(
                callback, "leaves the process changed",
                expected="settings of the process are as before after the run",
                found=changed, cure="restore it in on_teardown(), or do not change it",
            )  # fmt: skip

    def test_training_is_the_same_with_an_observer(self) -> None:
        """An observer, or a callback of one process, changes neither weights nor random numbers."""
        callback = self.make()
        if getattr(callback, "on_error", "raise") != "disable" and getattr(callback, "ranks", "all") != "main":
            pytest.skip("it may change training, since it has neither on_error = 'disable' nor ranks = 'main'")
        expected, found = _trained([]), _trained([callback])
        if changed := [name for name in expected if expected[name] != found[name]]:
            broken(
                callback, f"changes the {' and the '.join(changed)} of the training that it watches",
                expected="a callback with on_error = 'disable' or ranks = 'main' does not affect training: a failure "
                         "may remove it, and it does not run in every process",
                found=f"other {' and other '.join(changed)} than without it",
                cure="draw from a generator of your own (random.Random(), torch.Generator()), and copy what you "
                "change; a callback that is meant to change training has on_error = 'raise' and ranks = 'all'",
            )  # fmt: skip


def _calls_of_teardown(callback: Any, callbacks: list[Any]) -> int | None:
    """Return how often ``callback`` is torn down in a training; None if it has no teardown."""
    methods = [getattr(callback, name, None) for name in ("on_teardown", "cthulhu_teardown")]
    codes = {getattr(method, "__code__", None) for method in methods} - {None, _inherited()}
    if not codes:
        return None
    count, before = 0, sys.getprofile()

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        if event == "call" and frame.f_code in codes:
            count += 1

    sys.setprofile(profile)
    try:
        tiny_run(callbacks)
    finally:
        sys.setprofile(before)
    return count


def _inherited() -> Any:
    from cthulhu_core.contract.callback import Callback

    return Callback.on_teardown.__code__


def _trained(callbacks: list[Any]) -> dict[str, Any]:
    """Return weights and random numbers at the end of a training."""
    found: dict[str, Any] = {}

    def keep(outcome: Outcome) -> None:
        found["weights"] = comparable({name: each.tolist() for name, each in outcome.model.state_dict().items()})

    keep(tiny_run([*callbacks, At("train_end", lambda run: found.update({"random numbers": random_state()}))]))
    return found | {"random numbers": comparable(found["random numbers"])}


def _settings() -> dict[str, Any]:
    import numpy as np
    import torch

    signals = [signal.SIGINT, signal.SIGTERM]
    return {
        "the current folder": os.getcwd(),  # noqa: PTH109 - as text
        # One by one, to name only what changed.
        **{f"os.environ[{name!r}]": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "sys.path": list(sys.path),
        "sys.stdout": id(sys.stdout),
        "sys.stderr": id(sys.stderr),
        "sys.excepthook": sys.excepthook,
        "the signal handlers": [signal.getsignal(each) for each in signals],
        "logging.root.handlers": list(logging.root.handlers),
        "logging.root.level": logging.root.level,
        "socket.getdefaulttimeout()": socket.getdefaulttimeout(),
        "numpy.geterr()": np.geterr(),
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.get_default_dtype()": torch.get_default_dtype(),
        "torch.get_num_threads()": torch.get_num_threads(),
        "torch.are_deterministic_algorithms_enabled()": torch.are_deterministic_algorithms_enabled(),
    }
