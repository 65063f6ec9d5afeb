"""The snapshot that a run calls does what pluggy would do: same calls, same order, same arguments."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_core import Callback, Run, hookimpl
from cthulhu_core.contract.callback import METHODS
from cthulhu_core.contract.hookspecs import HOOKS
from cthulhu_core.installed.participant import Participant
from cthulhu_core.run.dispatch import Dispatch

LOOP_HOOKS = sorted(set(METHODS.values()))
VALUES: dict[str, Any] = {
    "run": object(),
    "epoch": 7,
    "batch": 3,
    "logs": {"loss": 0.5},
    "error": ValueError("told to hooks, not raised"),
}

Event = tuple[int, str, str, tuple[Any, ...]]


@dataclass(frozen=True)
class Implementation:
    """A function marked with ``hookimpl``, as random as pluggy allows it to be."""

    attribute: str
    hook: str
    arguments: tuple[str, ...]
    order: str
    wrapper: bool

    def define(self, who: int, events: list[Event]) -> Any:
        # pluggy reads the names of arguments from the code, so there must be code.
        body = f"record('call', ({''.join(name + ', ' for name in self.arguments)}))"
        if self.wrapper:
            body = f"{body.replace('call', 'before')}; yield; {body.replace('call', 'after')}"
        namespace: dict[str, Any] = {"record": lambda what, given: events.append((who, self.attribute, what, given))}
        exec(f"def {self.attribute}({', '.join(('self', *self.arguments))}): {body}", namespace)
        options: dict[str, Any] = {"wrapper": self.wrapper}
        if self.order:
            options[self.order] = True
        if self.attribute != self.hook:
            options["specname"] = self.hook
        return hookimpl(namespace[self.attribute], **options)


@dataclass(frozen=True)
class Description:
    """A participant to be: a plain object with hook implementations, or a callback with methods as well."""

    is_callback: bool
    on_error: str
    methods: tuple[str, ...]
    implementations: tuple[Implementation, ...]

    def build(self, who: int, events: list[Event]) -> object:
        def method(name: str) -> Any:
            return lambda self, *given: events.append((who, name, "call", given))

        body: dict[str, Any] = {each.attribute: each.define(who, events) for each in self.implementations}
        if self.is_callback:
            body |= {name: method(name) for name in self.methods} | {"on_error": self.on_error}
        return type(f"P{who}", (Callback,) if self.is_callback else (), body)()


@st.composite
def implementations(draw: st.DrawFn, number: int, wrappers: bool) -> Implementation:
    hook = draw(st.sampled_from(LOOP_HOOKS))
    arguments = draw(st.permutations(HOOKS[hook]))[: draw(st.integers(0, len(HOOKS[hook])))]
    return Implementation(
        draw(st.sampled_from([hook, f"a{number}", f"z{number}"])),
        hook,
        tuple(arguments),
        draw(st.sampled_from(["", "", "tryfirst", "trylast"])),
        wrappers and draw(st.booleans()),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    is_callback = draw(st.booleans())
    on_error = draw(st.sampled_from(["raise", "disable"])) if is_callback else "raise"
    methods = draw(st.lists(st.sampled_from(sorted(METHODS)), unique=True, max_size=8)) if is_callback else []
    count = draw(st.integers(0 if is_callback else 1, 6))
    found = [draw(implementations(number, wrappers=on_error == "raise")) for number in range(count)]
    unique = {each.attribute: each for each in found if each.attribute not in {METHODS[name] for name in methods}}
    if not is_callback and not unique:
        unique = {each.attribute: each for each in found}
    return Description(is_callback, on_error, tuple(methods), tuple(unique.values()))


def dispatch_of(plugins: list[object]) -> Dispatch:
    run: Any = SimpleNamespace(position=lambda: "")
    return Dispatch([Participant(plugin, "test") for plugin in plugins], run)


def record(events: list[Event], call: Any) -> list[Event]:
    events.clear()
    call()
    return list(events)


@settings(max_examples=200, deadline=None)
@given(st.lists(descriptions(), max_size=6))
def test_snapshot_equals_pluggy_call_for_call(described: list[Description]) -> None:
    events: list[Event] = []
    dispatch = dispatch_of([each.build(who, events) for who, each in enumerate(described)])
    for hook in LOOP_HOOKS:
        assert_same_calls(dispatch, hook, events)
        snapshot = dispatch.snapshot(hook)
        named = [name for each in described for i in each.implementations if i.hook == hook for name in i.arguments]
        by_method = any(METHODS[name] == hook for each in described for name in each.methods)
        if snapshot is not None:
            assert snapshot.needs_logs == ("logs" in named or (by_method and "logs" in HOOKS[hook]))


def assert_same_calls(dispatch: Dispatch, hook: str, events: list[Event]) -> None:
    arguments = {name: VALUES[name] for name in HOOKS[hook]}
    expected = record(events, lambda: getattr(dispatch.manager.hook, hook)(**arguments))
    if hook == "cthulhu_teardown":  # in reverse, wrappers among themselves as well
        phases = [[event for event in expected if event[2] == phase] for phase in ("before", "call", "after")]
        expected = [event for phase in phases for event in reversed(phase)]
    snapshot = dispatch.snapshot(hook)
    if snapshot is None:
        assert expected == []
        assert getattr(dispatch.manager.hook, hook).get_hookimpls() == []
    else:
        assert record(events, lambda: snapshot(*arguments.values())) == expected
        assert record(events, lambda: snapshot.guarded(*arguments.values())) == expected


def test_arguments_arrive_by_identity() -> None:
    seen: list[Any] = []

    class Watcher(Callback):
        def on_epoch_end(self, number: int, what: dict[str, Any]) -> None:
            seen.append(what)

    logs = {"loss": 1.0}
    call = dispatch_of([Watcher()]).snapshot("cthulhu_epoch_end")
    assert call is not None
    call(object(), 0, logs)
    assert seen[0] is logs


def test_hook_that_nobody_overrides_is_not_registered() -> None:
    class Idle(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None: ...

    dispatch = dispatch_of([Idle()])
    for hook in set(LOOP_HOOKS) - {"cthulhu_epoch_end"}:
        assert getattr(dispatch.manager.hook, hook).get_hookimpls() == []
        assert dispatch.snapshot(hook) is None
    assert len(dispatch.manager.hook.cthulhu_epoch_end.get_hookimpls()) == 1


class Named(Callback):
    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        self.heard.append(f"{self.name} train_begin")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.heard.append(f"{self.name} epoch_end")

    def on_train_end(self, logs: dict[str, Any]) -> None:
        self.heard.append(f"{self.name} train_end")

    def on_teardown(self) -> None:
        self.heard.append(f"{self.name} teardown")


def test_begin_and_end_in_the_order_of_the_list_and_teardown_in_reverse(train: Any) -> None:
    heard: list[str] = []
    train([Named("a", heard), (Named("b", heard), [Named("c", heard)])], [[1.0]])
    assert heard == [
        *("a train_begin", "b train_begin", "c train_begin"),
        *("a epoch_end", "b epoch_end", "c epoch_end"),
        *("a train_end", "b train_end", "c train_end"),
        *("c teardown", "b teardown", "a teardown"),
    ]


def test_base_logger_is_first_and_history_last(no_plugins: None) -> None:
    model: Any = SimpleNamespace()
    run = Run(model, callbacks=[Named("a", [])])
    assert [type(callback).__name__ for callback in run.callbacks] == ["BaseLogger", "Named", "History"]


def test_plain_object_with_hookimpls_takes_part_in_its_place(train: Any) -> None:
    heard: list[str] = []

    class Plain:
        @hookimpl
        def cthulhu_epoch_end(self, logs: dict[str, Any], epoch: int) -> None:
            heard.append(f"plain {epoch} {logs['loss']}")

    train([Named("a", heard), Plain(), Named("b", heard)], [[1.0]])
    assert heard[2:5] == ["a epoch_end", "plain 0 1.0", "b epoch_end"]


@pytest.mark.parametrize("order", ["tryfirst", "trylast"])
def test_hookimpl_may_ask_to_be_first_or_last(train: Any, order: str) -> None:
    heard: list[str] = []

    class Eager:
        @hookimpl(tryfirst=order == "tryfirst", trylast=order == "trylast")
        def cthulhu_epoch_end(self) -> None:
            heard.append("eager")

    train([Named("a", heard), Eager(), Named("b", heard)], [[1.0]])
    expected = ["a epoch_end", "b epoch_end"]
    expected.insert(0 if order == "tryfirst" else 2, "eager")
    assert heard[2:5] == expected
