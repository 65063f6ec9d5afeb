"""Which functions are taken, how they are called, and what is refused."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, Run
from cthulhu_lukthu import LuKthuCallback, functions


def train(callback: Callback, losses: tuple[float, ...] = (1.0, 3.0), validation: tuple[float, ...] = ()) -> Run:
    with Run(SimpleNamespace(), epochs=2, callbacks=callback) as run:
        for _ in run.epochs():
            for loss in run.batches(losses):
                run.record(loss=loss)
            for loss in run.test(validation) if validation else ():
                run.record(loss=loss)
    return run


def test_every_function_gets_its_arguments_by_place():
    calls: list[tuple[Any, ...]] = []

    def note(name):
        return lambda *given: calls.append((name, *given))

    names = ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end", "on_train_begin", "on_train_end"]
    train(LuKthuCallback(*(note(name) for name in names)), losses=(2.0,))
    begin, end = {"batch": 0, "size": 1}, {"batch": 0, "size": 1, "loss": 2.0}
    epochs = [
        [
            ("on_epoch_begin", epoch, {}),
            ("on_batch_begin", 0, begin),
            ("on_batch_end", 0, end),
            ("on_epoch_end", epoch, {"loss": 2.0}),
        ]
        for epoch in range(2)
    ]
    assert calls == [("on_train_begin", {}), *epochs[0], *epochs[1], ("on_train_end", {"loss": 2.0})]


def test_parameters_may_have_any_names_and_defaults():
    seen = []
    train(LuKthuCallback(on_epoch_end=lambda e, values={}, verbose=True: seen.append((e, values["loss"], verbose))))
    assert seen == [(0, 2.0, True), (1, 2.0, True)]


def test_other_methods_of_a_callback_are_taken_by_name():
    seen = []
    callback = LuKthuCallback(on_test_end=lambda logs: seen.append(dict(logs)), on_teardown=lambda: seen.append("over"))
    train(callback, validation=(4.0,))
    assert seen == [{"loss": 4.0}, {"loss": 4.0}, "over"]


def test_functions_that_are_not_given_are_not_registered():
    run = Run(SimpleNamespace(), callbacks=LuKthuCallback(on_epoch_end=lambda epoch, logs: None))
    run.train_begin()
    hooks = {hook: [participant.name for participant, *_ in call.calls] for hook, call in run._hooks.current.items()}
    assert [hook for hook, names in hooks.items() if "LuKthuCallback" in names] == ["epoch_end"]


def test_values_of_a_batch_are_not_read_unless_on_batch_end_is_given():
    class Unread:
        def compute(self):
            raise AssertionError("not to be read")

    run = Run(SimpleNamespace(), callbacks=LuKthuCallback(on_batch_begin=lambda batch, logs: None))
    run.train_begin()
    run.epoch_begin(0)
    run.batch_begin(0, 1.0)
    run.record(loss=Unread())
    run.batch_end()
    assert run.batch.numbers is None


def test_signature_is_looked_at_when_it_is_made_and_not_in_training(monkeypatch):
    looked_at = []

    def signature(function):
        looked_at.append(function)
        return inspect.signature(function)

    monkeypatch.setattr(functions, "inspect", SimpleNamespace(signature=signature))

    def nothing(epoch, logs):
        pass

    callback = LuKthuCallback(on_epoch_end=nothing)
    train(callback)
    assert looked_at == [nothing]


def test_a_builtin_that_does_not_say_what_it_takes_is_taken():
    seen = []
    train(LuKthuCallback(on_epoch_begin=print, on_train_end=seen.append))
    assert seen == [{"loss": 2.0}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"on_epoch_ends": print},
            "LuKthuCallback(on_epoch_ends=...): there is no such method: did you mean on_epoch_end?",
        ),
        ({"on_train_batch_end": print}, "there is no such method: did you mean on_batch_end?"),
        ({"on_batch_ends": None}, "did you mean on_batch_end?"),
        (
            {"verbose": 1},
            "LuKthuCallback(verbose=...): there is no such method: expected one of on_train_begin, on_train_end, ",
        ),
        ({"on_epoch_end": 3}, "LuKthuCallback(on_epoch_end=3): expected a function; it is called with epoch, logs"),
        (
            {"on_epoch_end": lambda epoch: None},
            "LuKthuCallback(on_epoch_end=...): the function takes (epoch), it is called with epoch, logs: too many",
        ),
        (
            {"on_train_end": lambda epoch, logs: None},
            "the function takes (epoch, logs), it is called with logs: missing a required argument: 'logs'",
        ),
        (
            {"on_batch_end": lambda batch, *, logs: None},
            "the function takes (batch, *, logs), it is called with batch, logs",
        ),
        ({"on_teardown": lambda logs: None}, "the function takes (logs), it is called with no argument"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_would_fail_or_never_be_called_is_refused_at_once(given, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        LuKthuCallback(**given)


def test_an_error_in_a_function_ends_training_and_says_where():
    with pytest.raises(ZeroDivisionError) as caught:
        train(LuKthuCallback(on_batch_end=lambda batch, logs: 1 / batch))
    assert caught.value.__notes__ == [
        "in LuKthuCallback (cthulhu-lukthu 0.1.0), hook cthulhu_batch_end, epoch 0, batch 0"
    ]


def test_one_object_in_two_runs():
    seen = []
    callback = LuKthuCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    train(callback)
    train(callback)
    assert seen == [0, 1, 0, 1]


def test_every_process_calls_them_unless_told_otherwise():
    callback = LuKthuCallback(on_train_end=lambda logs: None)
    assert (callback.ranks, callback.on_error) == ("all", "raise")
