"""What cannot take part in a run is refused before training, with a sentence that says the cure."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, RefusedCallback, Run, hookimpl

pytestmark = pytest.mark.usefixtures("no_plugins")


def refusal(given: Any) -> str:
    model: Any = SimpleNamespace()
    with pytest.raises(RefusedCallback) as caught:
        Run(model, callbacks=given)
    return str(caught.value)


class Good(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...


def plain(function: Any, **options: Any) -> object:
    """An object of class Plain with ``function`` as its one hook implementation."""
    return type("Plain", (), {function.__name__: hookimpl(function, **options)})()


def test_class_instead_of_instance() -> None:
    assert refusal([Good]) == "Good is a class, not an instance: write Good(...)"


@pytest.mark.parametrize("given", [None, b"CSVLogger", 3, print])
def test_what_is_no_callback(given: Any) -> None:
    assert refusal([Good(), given]) == (
        f"{given!r} is not a callback: expected an instance of cthulhu.callbacks.Callback, "
        "or an object with functions marked @hookimpl"
    )


@pytest.mark.parametrize("given", [0, False])
def test_empty_value_is_not_taken_for_no_callbacks(given: Any) -> None:
    assert refusal(given).startswith(f"{given!r} is not a callback")


def test_service_that_only_installed_plugins_are_asked_for() -> None:
    def cthulhu_saved_suffixes(self: Any) -> Any: ...

    assert refusal(plain(cthulhu_saved_suffixes)) == (
        "Plain.cthulhu_saved_suffixes would never be called: cthulhu_saved_suffixes is asked of installed plugins "
        'alone; offer the object as an entry point in the group "cthulhu.plugins"'
    )


def test_misspelt_hook() -> None:
    def cthulhu_epoch_ends(self: Any, epoch: int) -> None: ...

    assert refusal(plain(cthulhu_epoch_ends)) == (
        "Plain.cthulhu_epoch_ends: there is no hook cthulhu_epoch_ends: did you mean cthulhu_epoch_end?"
    )


def test_misspelt_hook_in_a_callback() -> None:
    class Mine(Callback):
        @hookimpl
        def cthulhu_batch_ende(self) -> None: ...

    assert "did you mean cthulhu_batch_end?" in refusal(Mine())


def test_misspelt_specname() -> None:
    def whatever(self: Any) -> None: ...

    message = refusal(plain(whatever, specname="cthulhu_tear_down"))
    assert message == "Plain.whatever: there is no hook cthulhu_tear_down: did you mean cthulhu_teardown?"


def test_hook_implementation_without_its_mark() -> None:
    class Forgot(Callback):
        def cthulhu_epoch_end(self, epoch: int) -> None: ...

    assert refusal(Forgot()) == "Forgot.cthulhu_epoch_end would never be called: write @hookimpl above it"


def test_unknown_argument() -> None:
    def cthulhu_epoch_end(self: Any, epochs: int) -> None: ...

    assert refusal(plain(cthulhu_epoch_end)) == (
        "Plain.cthulhu_epoch_end: cthulhu_epoch_end has no argument epochs: did you mean epoch? "
        "It takes run, epoch, logs"
    )


def test_default_that_would_never_be_used() -> None:
    def cthulhu_epoch_end(self: Any, logs: Any = None) -> None: ...

    assert refusal(plain(cthulhu_epoch_end)) == (
        "Plain.cthulhu_epoch_end: the default of logs: 'Any' = None would never be used: remove it"
    )


def test_keyword_only_argument() -> None:
    def cthulhu_epoch_end(self, *, logs) -> None: ...  # type: ignore[no-untyped-def]

    assert refusal(plain(cthulhu_epoch_end)) == (
        "Plain.cthulhu_epoch_end: logs is never given by a hook: name what you want "
        "(cthulhu_epoch_end takes run, epoch, logs)"
    )


def test_variable_arguments() -> None:
    def cthulhu_epoch_end(self, *args) -> None: ...  # type: ignore[no-untyped-def]

    assert "*args is never given by a hook" in refusal(plain(cthulhu_epoch_end))


def test_variable_keyword_arguments() -> None:
    def cthulhu_epoch_end(self, **kwargs) -> None: ...  # type: ignore[no-untyped-def]

    assert "**kwargs is never given by a hook" in refusal(plain(cthulhu_epoch_end))


def test_old_style_wrapper() -> None:
    def cthulhu_epoch_end(self: Any) -> Any:
        yield

    message = refusal(plain(cthulhu_epoch_end, hookwrapper=True))
    assert message == "Plain.cthulhu_epoch_end: hookwrapper=True is pluggy's old style: use wrapper=True"


def test_wrapper_that_does_not_yield() -> None:
    def cthulhu_epoch_end(self: Any) -> None: ...

    message = refusal(plain(cthulhu_epoch_end, wrapper=True))
    assert message == "Plain.cthulhu_epoch_end: a wrapper calls the others where it yields: it needs a yield"


def test_wrapper_in_an_observer() -> None:
    class Observer(Callback):
        on_error = "disable"

        @hookimpl(wrapper=True)
        def cthulhu_epoch_end(self) -> Any:
            yield

    assert refusal(Observer()) == (
        "Observer.cthulhu_epoch_end: a wrapper cannot be taken out of the run when it fails: "
        "it needs on_error = 'raise'"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("on_epoch_ends", "on_epoch_end"),
        ("on_train_batch_end", "on_batch_end"),
        ("on_train_batch_begin", "on_batch_begin"),
        ("on_test_batch_ended", "on_test_batch_end"),
        ("on_tear_down", "on_teardown"),
    ],
)
def test_misspelt_method(written: str, meant: str) -> None:
    callback = type("Mine", (Callback,), {written: lambda self, *_: None})()
    assert refusal(callback) == f"Mine.{written} would never be called: there is no such hook: did you mean {meant}?"


def test_other_methods_and_attributes_are_the_callbacks_own(train: Any) -> None:
    class Mine(Good):
        on_tuesday = 3

        def on_improvement(self) -> None: ...

        @property
        def on_epoch_ended(self) -> int:
            raise RuntimeError("properties are not read")

    assert train(Mine()).history.epoch == [0]


def test_method_that_cannot_take_what_it_is_called_with() -> None:
    class Mine(Callback):
        def on_epoch_end(self, epoch: int) -> None: ...  # type: ignore[override]

    assert refusal(Mine()) == (
        "Mine.on_epoch_end(epoch: 'int') -> 'None' is called with 2 positional arguments (epoch, logs): "
        "too many positional arguments; "
        "write on_epoch_end(self, epoch, logs)"
    )


def test_method_that_wants_more_than_it_is_called_with() -> None:
    class Mine(Callback):
        def on_epoch_end(self, epoch: int, logs: Any, *, writer: Any) -> None: ...  # type: ignore[override]

    assert "missing a required" in refusal(Mine())


@pytest.mark.parametrize("value", [None, "soon"])
def test_method_that_is_none(value: Any) -> None:
    callback = type("Mine", (Callback,), {"on_batch_end": value})()
    assert refusal(callback) == f"Mine.on_batch_end is {value!r}: expected a method"


def test_same_object_twice() -> None:
    callback = Good()
    assert refusal([callback, [callback]]) == "Good is passed twice: pass each object once"


def test_same_plain_object_twice() -> None:
    def cthulhu_epoch_end(self: Any) -> None: ...

    given = plain(cthulhu_epoch_end)
    assert refusal([given, given]) == "Plain is passed twice: pass each object once"


def test_objects_that_are_equal_are_still_two(train: Any) -> None:
    heard = []

    class Equal:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 0

        @hookimpl
        def cthulhu_epoch_end(self, epoch: int) -> None:
            heard.append(epoch)

    train([Equal(), Equal()])
    assert heard == [0, 0]


def test_method_and_hook_implementation_of_the_same_hook() -> None:
    class Mine(Good):
        @hookimpl
        def cthulhu_epoch_end(self) -> None: ...

    assert refusal(Mine()) == (
        "Mine has both on_epoch_end and cthulhu_epoch_end, which are the same hook: keep one of them"
    )


@pytest.mark.parametrize(("attribute", "known"), [("on_error", "'raise' or 'disable'"), ("ranks", "'all' or 'main'")])
def test_unknown_declaration(attribute: str, known: str) -> None:
    callback = type("Mine", (Good,), {attribute: "disabled"})()
    assert refusal(callback) == f"Mine.{attribute} is 'disabled': expected {known}"


def test_module_with_a_misspelt_hook_is_named() -> None:
    module = ModuleType("telemetry")

    @hookimpl
    def cthulhu_epochend(run: Any) -> None: ...

    module.cthulhu_epochend = cthulhu_epochend  # type: ignore[attr-defined]
    assert refusal(module).startswith("telemetry.cthulhu_epochend: there is no hook cthulhu_epochend: did you mean")


def test_failed_registration_leaves_nothing(train: Any) -> None:
    heard = []

    class Heard(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            heard.append(epoch)

    good, before = Heard(), dict(vars(Heard))
    as_made = dict(vars(good))
    assert "not an instance" in refusal([good, Good])
    assert vars(good) == as_made
    assert dict(vars(Heard)) == before
    assert heard == []

    run = train([good])
    assert heard == [0]
    assert [type(callback).__name__ for callback in run.callbacks] == ["BaseLogger", "Heard", "History"]


def test_methods_may_have_any_names_and_defaults(train: Any) -> None:
    heard: list[Any] = []

    class Mine(Callback):
        def on_train_begin(self, logs: Any = {}) -> None:  # as the documentation writes it
            heard.append(("begin", logs))

        def on_batch_end(self, *everything: Any) -> None:
            heard.append(("batch", *everything))

        def on_epoch_end(self, number: int, values: Any = None, another: int = 3) -> None:
            heard.append(("epoch", number, values, another))

        @staticmethod
        def on_train_end(logs: Any) -> None:
            heard.append(("end", logs))

    train([Mine()], [[2.0]])
    assert heard == [
        ("begin", {}),
        ("batch", 0, {"batch": 0, "size": 1, "loss": 2.0}),
        ("epoch", 0, {"loss": 2.0}, 3),
        ("end", {"loss": 2.0}),
    ]


def test_method_set_on_the_instance_counts(train: Any) -> None:
    heard = []
    callback = Callback()
    callback.on_epoch_end = lambda epoch, logs: heard.append((epoch, logs))  # type: ignore[method-assign]
    train(callback, [[2.0]])
    assert heard == [(0, {"loss": 2.0})]


def test_methods_inherited_from_a_class_of_ones_own_count(train: Any) -> None:
    heard = []

    class Mixin:
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            heard.append(epoch)

    class Mine(Mixin, Callback): ...

    train(Mine())
    assert heard == [0]


def test_method_that_a_call_would_not_run_is_refused() -> None:
    class Async(Callback):
        async def on_epoch_end(self, epoch: int, logs: Any) -> None: ...

    class Generator(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> Any:
            yield epoch

    cure = "a call would do nothing; make it a plain method"
    assert refusal(Async()) == f"Async.on_epoch_end is async: {cure}"
    assert refusal(Generator()) == f"Generator.on_epoch_end is a generator: {cure}"
