"""The specifications agree with the pseudocode above them and with the methods of Callback."""

from __future__ import annotations

import inspect
import re

import pytest

from cthulhu_core import Callback
from cthulhu_core.contract import hookspecs
from cthulhu_core.contract.callback import METHODS
from cthulhu_core.contract.hookspecs import HOOKS, PREFIX, SERVICES

WITHOUT_RUN = {"cthulhu_load_checkpoint", "cthulhu_load_model", "cthulhu_load_weights", "cthulhu_saved_suffixes"}


def test_hooks_are_those_of_the_documented_loop() -> None:
    pseudocode = (hookspecs.__doc__ or "").split("::\n", 1)[1].split("``evaluate`` calls", 1)[0]
    in_the_loop = {PREFIX + name for name in re.findall(r"run\.(\w+)\(", pseudocode)}
    assert in_the_loop == set(HOOKS) - set(SERVICES)


def test_pseudocode_names_the_arguments_that_the_hooks_take() -> None:
    for name, arguments in re.findall(r"run\.(\w+)\(([\w, ]*)\)", hookspecs.__doc__ or ""):
        if PREFIX + name in HOOKS:
            assert tuple(arguments.split(", ") if arguments else ()) == HOOKS[PREFIX + name][1:], name


@pytest.mark.parametrize("hook", sorted(set(HOOKS) - WITHOUT_RUN))  # no run is there to speak of
def test_run_is_the_first_argument(hook: str) -> None:
    assert HOOKS[hook][0] == "run"


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_every_specification_is_typed_and_documented(hook: str) -> None:
    spec = getattr(hookspecs, hook)
    signature = inspect.signature(spec)
    untyped = [name for name, each in signature.parameters.items() if each.annotation is inspect.Parameter.empty]
    assert untyped == []
    assert signature.return_annotation is not inspect.Signature.empty
    first = (spec.__doc__ or "").strip().splitlines()[0]
    assert len(first) > 20
    assert first.endswith(".")


@pytest.mark.parametrize("hook", sorted(set(HOOKS) - set(SERVICES)))
def test_method_takes_the_arguments_of_its_hook_positionally(hook: str) -> None:
    parameters = list(inspect.signature(getattr(Callback, "on_" + hook.removeprefix(PREFIX))).parameters.values())[1:]
    assert tuple(each.name for each in parameters) == HOOKS[hook][1:]
    # Positional only, so that a subclass may name them as it likes and still satisfies a type checker.
    assert all(each.kind is each.POSITIONAL_ONLY for each in parameters)


def test_callback_has_a_method_for_every_hook_and_no_other() -> None:
    methods = {name for name in vars(Callback) if name.startswith("on_") and callable(getattr(Callback, name))}
    assert methods == set(METHODS) == {"on_" + hook.removeprefix(PREFIX) for hook in set(HOOKS) - set(SERVICES)}


def test_methods_of_the_base_class_are_documented_and_do_nothing() -> None:
    callback = Callback()
    for method, hook in METHODS.items():
        assert getattr(Callback, method).__doc__
        assert getattr(callback, method)(*HOOKS[hook][1:]) is None
    assert vars(callback) == {"_arguments": {}}
