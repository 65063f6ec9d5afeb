"""What epochs are going to log is known only where nobody takes part who might add to it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, History, Run, hookimpl, planned_names
from foreign import install

MODEL: Any = SimpleNamespace()


@pytest.mark.parametrize(
    ("validation", "names"), [(False, ["loss", "acc"]), (True, ["loss", "acc", "val_loss", "val_acc"])]
)
def test_metrics_are_planned_and_validated_ones_where_there_is_validation(
    no_plugins: None, validation: bool, names: list[str]
) -> None:
    assert planned_names(Run(MODEL, metrics=["loss", "acc"], validation=validation)) == names


def test_nothing_is_known_of_a_loop_that_does_not_say_its_metrics(no_plugins: None) -> None:
    assert planned_names(Run(MODEL)) is None


def test_callbacks_of_the_core_add_nothing(no_plugins: None) -> None:
    assert planned_names(Run(MODEL, callbacks=[History()], metrics=["loss"])) == ["loss"]


def test_a_callback_of_the_users_may_add_anything(no_plugins: None) -> None:
    class Mine(Callback):
        pass

    assert planned_names(Run(MODEL, callbacks=[Mine()], metrics=["loss"])) is None


def test_an_object_with_a_hook_of_the_loop_may_add_anything(no_plugins: None) -> None:
    class Mine:
        @hookimpl
        def cthulhu_epoch_end(self, logs: Any) -> None:
            logs["mine"] = 1.0

    assert planned_names(Run(MODEL, callbacks=[Mine()], metrics=["loss"])) is None


def test_a_callback_may_say_what_it_adds(no_plugins: None) -> None:
    class Mine(Callback):
        logged = ("lr", "loss")

    class More(Mine):
        pass

    assert planned_names(Run(MODEL, callbacks=[Mine()], metrics=["loss"])) == ["loss", "lr"]
    assert planned_names(Run(MODEL, callbacks=[More()], metrics=["loss"])) is None


@pytest.mark.parametrize(
    ("hook", "names"), [("cthulhu_epoch_end(logs)", None), ("cthulhu_load_weights(filepath)", ["loss"])]
)
def test_an_installed_plugin_may_add_anything_if_it_is_called_in_the_loop(
    site: Path, hook: str, names: list[str] | None
) -> None:
    source = f"from cthulhu_core import hookimpl\n@hookimpl\ndef {hook}: ..."
    install(site, "acme-tools", modules={"acme": source}, plugins={"acme": "acme"})
    assert planned_names(Run(MODEL, metrics=["loss"])) == names


def test_an_installed_plugin_may_say_what_it_adds(site: Path) -> None:
    source = "from cthulhu_core import hookimpl\nlogged = ('seconds',)\n@hookimpl\ndef cthulhu_epoch_end(logs): ..."
    install(site, "acme-tools", modules={"acme": source}, plugins={"acme": "acme"})
    assert planned_names(Run(MODEL, metrics=["loss"])) == ["loss", "seconds"]
