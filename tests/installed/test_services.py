"""Installed plugins take part in every run; one that cannot be used is a warning and the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, RefusedCallback, Run, __version__
from cthulhu_core.installed import registry
from cthulhu_core.installed.services import PluginWarning, service_manager
from foreign import install

MODULE = """
    from cthulhu_core import hookimpl

    heard = []

    @hookimpl
    def cthulhu_epoch_end(epoch, logs):
        heard.append((epoch, dict(logs)))
"""

INSTANCE = """
    from cthulhu_core import Callback, hookimpl

    class Plugin:
        def __init__(self):
            self.heard = []

        @hookimpl
        def cthulhu_epoch_end(self, epoch, logs):
            self.heard.append((epoch, dict(logs)))

    heard = (plugin := Plugin()).heard
"""

DEFAULT = """
    from cthulhu_core import Callback, hookimpl

    class Added(Callback):
        def on_epoch_end(self, epoch, logs={}):
            logs["added"] = 1.0

    @hookimpl
    def cthulhu_default_callbacks(run):
        return [Added()] if run.params["verbose"] == 1 else None
"""


def trained(callbacks: Any = None, **arguments: Any) -> tuple[Run, list[str]]:
    """A run of one epoch, and the texts of the warnings about plugins."""
    model: Any = SimpleNamespace()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Run(model, callbacks=callbacks, **arguments) as run:
            for _ in run.epochs():
                for loss in run.batches([1.0, 2.0]):
                    run.record(loss=loss)
    assert run.history.history["loss"] == [1.5]
    return run, [str(each.message) for each in caught if each.category is PluginWarning]


def participants(run: Run) -> list[str]:
    return [participant.name for participant in run.participants]


# --- taking part ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "value"), [(MODULE, "acme"), (INSTANCE, "acme:plugin")], ids=["module", "instance"])
def test_plugin_takes_part_in_every_run(site: Path, source: str, value: str) -> None:
    install(site, "acme-tools", modules={"acme": source}, plugins={"acme": value})
    for _ in range(2):
        run, warned = trained()
        assert warned == []
    assert sys.modules["acme"].heard == [(0, {"loss": 1.5})] * 2
    (participant,) = [each for each in run.participants if each.name in ("acme", "Plugin")]
    assert participant.reason == "plugin acme, in every run"
    assert str(participant) == f"{participant.name} (acme-tools 1.0)"


def test_default_callback_stands_between_base_logger_and_the_users_list(site: Path) -> None:
    install(site, "acme-tools", modules={"acme": DEFAULT}, plugins={"acme": "acme"})

    class Mine(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert logs == {"loss": 1.5, "added": 1.0}

    run, warned = trained(Mine(), verbose=1)
    assert warned == []
    assert [name for name in participants(run) if name in ("BaseLogger", "Added", "Mine", "History")] == [
        *("BaseLogger", "Added", "Mine", "History"),
    ]
    (added,) = [each for each in run.participants if each.name == "Added"]
    assert added.reason == "added by plugin acme"
    assert run.history.history["added"] == [1.0]


def test_plugin_that_adds_nothing_to_this_run(site: Path) -> None:
    install(site, "acme-tools", modules={"acme": DEFAULT}, plugins={"acme": "acme"})
    run, warned = trained(verbose=2)
    assert warned == []
    assert "Added" not in participants(run)


def test_default_callbacks_may_come_from_a_generator(site: Path) -> None:
    source = dedent(DEFAULT).replace('return [Added()] if run.params["verbose"] == 1 else None', "yield Added()")
    install(site, "acme-tools", modules={"acme": source}, plugins={"acme": "acme"})
    run, warned = trained()
    assert warned == []
    assert run.history.history["added"] == [1.0]


def test_plugins_take_part_in_the_order_of_their_names(site: Path) -> None:
    for name in ("zulu", "alpha"):
        install(site, f"acme-{name}", modules={name: MODULE}, plugins={name: name})
    run, _ = trained()
    assert [name for name in participants(run) if name in ("zulu", "alpha")] == ["alpha", "zulu"]


def test_first_plugin_that_answers_gives_the_service(site: Path) -> None:
    for name, answer in (("alpha", "None"), ("bravo", "'from bravo'"), ("charlie", "'from charlie'")):
        source = f"""
            from cthulhu_core import hookimpl

            @hookimpl
            def cthulhu_load_model(filepath):
                return {answer} if filepath.endswith(".acme") else None
        """
        install(site, f"acme-{name}", modules={name: source}, plugins={name: name})
    load = service_manager().hook.cthulhu_load_model
    assert load(filepath="model.acme", custom_objects=None) == "from bravo"
    assert load(filepath="model.other", custom_objects=None) is None


# --- what cannot be used ----------------------------------------------------------------------------------------------


def broken(site: Path, source: str, value: str = "acme", **contents: Any) -> str:
    """The one warning about the plugin acme of acme-tools 1.0; a second run of the process says nothing more."""
    install(site, "acme-tools", modules={"acme": source}, plugins={"acme": value}, **contents)
    _, warned = trained()
    assert trained()[1] == []
    (message,) = warned
    start, end = (
        f"the plugin acme from acme-tools 1.0 ({value}) is left out: ",
        ". Switch it off with CTHULHU_DISABLE=acme",
    )
    assert message.startswith(start)
    assert message.endswith(end)
    return message.removeprefix(start).removesuffix(end)


def test_plugin_that_cannot_be_imported(site: Path) -> None:
    assert broken(site, "1 / 0") == (
        "acme from acme-tools 1.0 (acme) cannot be imported: ZeroDivisionError: division by zero"
    )


def test_plugin_with_a_misspelt_hook(site: Path) -> None:
    cause = broken(site, MODULE.replace("cthulhu_epoch_end", "cthulhu_epoch_ends"))
    assert cause == "acme.cthulhu_epoch_ends: there is no hook cthulhu_epoch_ends: did you mean cthulhu_epoch_end?"


def test_plugin_with_a_wrapper_that_does_not_yield(site: Path) -> None:
    cause = broken(site, MODULE.replace("@hookimpl", "@hookimpl(wrapper=True)"))
    assert cause == "acme.cthulhu_epoch_end: a wrapper calls the others where it yields: it needs a yield"


def test_plugin_without_hooks(site: Path) -> None:
    assert "is not a callback" in broken(site, "")


def test_plugin_that_is_a_class(site: Path) -> None:
    assert broken(site, INSTANCE, "acme:Plugin") == "Plugin is a class, not an instance: write Plugin(...)"


def test_plugin_for_a_newer_core_is_not_imported(site: Path) -> None:
    cause = broken(site, "raise SystemExit('imported')", requires=["cthulhu-core>=99"])
    assert cause == (
        f"acme from acme-tools 1.0 (acme) cannot be used: acme-tools 1.0 needs cthulhu-core>=99, installed is "
        f"{__version__}: pip install --upgrade acme-tools cthulhu-core"
    )


def test_plugins_that_clash_in_name_are_both_left_out(site: Path) -> None:
    for name in ("first", "second"):
        install(site, f"acme-{name}", modules={f"acme_{name}": MODULE}, plugins={"acme": f"acme_{name}"})
    run, warned = trained()
    assert [name for name in participants(run) if name.startswith("acme")] == []
    assert len(warned) == 2
    for message in warned:
        assert "acme-first 1.0" in message
        assert "acme-second 1.0" in message
        assert "provides it, too: uninstall one of them" in message


def test_plugin_whose_default_callbacks_fail(site: Path) -> None:
    assert broken(site, DEFAULT.replace('run.params["verbose"] == 1', "1 / 0")) == "ZeroDivisionError: division by zero"


def test_plugin_that_adds_a_callback_with_a_misspelt_method(site: Path) -> None:
    source = dedent(DEFAULT).replace("on_epoch_end", "on_epoch_ends").replace('run.params["verbose"] == 1', "True")
    cause = "Added.on_epoch_ends would never be called: there is no such hook: did you mean on_epoch_end?"
    assert broken(site, source) == cause


def test_same_mistake_in_a_callback_that_somebody_named_is_an_error(site: Path) -> None:
    source = (
        "from cthulhu_core import Callback\nclass Acme(Callback):\n    def on_epoch_ends(self, epoch, logs={}): ..."
    )
    install(site, "acme-tools", modules={"acme": source}, callbacks={"Acme": "acme:Acme"})
    with pytest.raises(RefusedCallback, match="Acme.on_epoch_ends would never be called"):
        trained(registry.callback("Acme")())


def test_others_take_part_when_one_cannot(site: Path) -> None:
    install(site, "acme-bad", modules={"acme_bad": "1 / 0"}, plugins={"bad": "acme_bad"})
    install(site, "acme-good", modules={"acme_good": MODULE}, plugins={"good": "acme_good"})
    _, warned = trained()
    assert len(warned) == 1
    assert sys.modules["acme_good"].heard == [(0, {"loss": 1.5})]


# --- switching off ----------------------------------------------------------------------------------------------------

SIGNAL = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.mark.parametrize(
    ("disable", "imported"),
    [
        ("", {"first", "second"}),
        ("first", {"second"}),
        (" second ,third", {"first"}),
        ("first,second", set()),
        ("*", set()),
        ("firs", {"first", "second"}),
    ],
)
def test_switched_off_means_not_imported(site: Path, disable: str, imported: set[str]) -> None:
    for name in ("first", "second"):
        install(site, f"acme-{name}", modules={name: SIGNAL + dedent(MODULE)}, plugins={name: name})
    script = """
        from types import SimpleNamespace
        from cthulhu_core import Run

        with Run(SimpleNamespace()) as run:
            list(run.epochs())
    """
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "CTHULHU_DISABLE": disable}
    subprocess.run([sys.executable, "-c", dedent(script)], env=environment, check=True)
    assert {file.stem for file in site.glob("*.imported")} == imported


def test_plugin_that_is_broken_can_be_switched_off(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "acme-tools", modules={"acme": "1 / 0"}, plugins={"acme": "acme"})
    monkeypatch.setenv("CTHULHU_DISABLE", "acme")
    assert trained()[1] == []


def test_switching_off_plugins_leaves_callbacks_to_be_named(
    site: Path, monkeypatch: pytest.MonkeyPatch, train: Callable[..., Run]
) -> None:
    source = "from cthulhu_core import Callback\nclass Acme(Callback): ..."
    install(site, "acme-tools", modules={"acme": source}, callbacks={"Acme": "acme:Acme"})
    monkeypatch.setenv("CTHULHU_DISABLE", "*,Acme")
    assert registry.callback("Acme").__name__ == "Acme"


@pytest.mark.parametrize("switch", ["acmee", "zebra,acmee"])
def test_misspelt_switch_is_warned_about_once(site: Path, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    install(site, "acme-tools", modules={"acme": MODULE}, plugins={"acme": "acme"})
    monkeypatch.setattr("cthulhu_core.installed.services._said", set())
    monkeypatch.setenv("CTHULHU_DISABLE", switch)
    message = "CTHULHU_DISABLE: no installed plugin is called acmee: did you mean acme?"
    assert [each for each in trained()[1] if each.startswith("CTHULHU_DISABLE")] == [message]
    assert [each for each in trained()[1] if each.startswith("CTHULHU_DISABLE")] == []


@pytest.mark.parametrize("switch", ["*", "acme", "zebra", ""])
def test_switch_for_what_may_be_installed_elsewhere_is_no_mistake(
    site: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    install(site, "acme-tools", modules={"acme": MODULE}, plugins={"acme": "acme"})
    monkeypatch.setattr("cthulhu_core.installed.services._said", set())
    monkeypatch.setenv("CTHULHU_DISABLE", switch)
    assert [each for each in trained()[1] if each.startswith("CTHULHU_DISABLE")] == []


def test_explain_prints_who_offers_services_after_the_loop(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = """
        from cthulhu_core import hookimpl
        @hookimpl
        def cthulhu_saved_suffixes():
            return (".acme",)
    """
    install(site, "acme-tools", modules={"acme": module}, plugins={"format": "acme"})
    trained()[0].explain()
    lines = capsys.readouterr().out.splitlines()
    services = lines[lines.index("services, outside the loop:") :]
    at = services.index("    saved_suffixes()")
    assert "        - acme (acme-tools 1.0): plugin format, in every run" in services[at + 1 :]
