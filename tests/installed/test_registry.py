"""Packages from outside this repository: found, classified, loaded, with an answer to all that is wrong with them."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import cthulhu.callbacks
from cthulhu_core import Callback, __version__
from cthulhu_core.installed import registry
from cthulhu_core.installed.registry import OFFICIAL, PluginError, Record, rows
from foreign import build_wheel, install

# Whoever imports it fails, and not with an exception that anybody would catch.
UNTOUCHABLE = {"untouchable": "raise SystemExit('imported')"}

STRANGER = """
from cthulhu.callbacks import Callback

class Stranger(Callback):
    def on_train_begin(self, logs={}):
        print("begin")

    def on_epoch_end(self, epoch, logs={}):
        print("epoch", epoch, logs)

    def on_train_end(self, logs={}):
        print("end")
"""


def states(*names: str) -> dict[str, str]:
    return {row.record.name: row.state for row in rows() if row.record.name in names}


def problem(name: str) -> str:
    with pytest.raises(PluginError) as caught:
        registry.callback(name)
    return str(caught.value)


# --- a package that works ---------------------------------------------------------------------------------------------


def test_wheel_of_a_stranger_is_installed_named_and_trained_with(tmp_path: Path) -> None:
    offer = {"Stranger": "stranger:Stranger"}
    wheel = build_wheel(tmp_path, "stranger", "2.1", modules={"stranger": STRANGER}, callbacks=offer)
    target = tmp_path / "target"
    tool = (
        [uv, "pip", "install", "--offline"] if (uv := shutil.which("uv")) else [sys.executable, "-m", "pip", "install"]
    )
    arguments = ["--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([*tool, *arguments], check=True, env={**os.environ, "UV_PYTHON": sys.executable})
    script = """
        from types import SimpleNamespace
        from cthulhu.callbacks import Stranger
        from cthulhu_core import Run

        with Run(SimpleNamespace(), epochs=2, callbacks=Stranger()) as run:
            for epoch in run.epochs():
                for loss in run.batches([1.0, 2.0]):
                    run.record(loss=loss + epoch)
        run.explain()
    """
    path = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "CTHULHU_DISABLE": "*"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[:4] == ["begin", "epoch 0 {'loss': 1.5}", "epoch 1 {'loss': 2.5}", "end"]
    assert lines.count("    - Stranger (stranger 2.1): callbacks[0]") == 2  # at train_begin and train_end


def test_record_says_where_a_callback_is_from(site: Path) -> None:
    install(
        site, "acme-tools", "1.5", modules=UNTOUCHABLE, callbacks={"Acme": "untouchable:Acme"},
        requires=["numpy>1", "cthulhu_core >=0.1,<1"],
    )  # fmt: skip
    (record,) = [record for record in registry.installed() if record.name == "Acme"]
    assert record == Record("callback", "Acme", "untouchable:Acme", "acme-tools", "1.5", "<1,>=0.1")
    assert str(record) == "Acme from acme-tools 1.5 (untouchable:Acme)"
    assert states("Acme") == {"Acme": "offered"}


def test_records_are_sorted(site: Path) -> None:
    for distribution in ("zulu", "alpha", "mike"):
        name = distribution.title()
        install(
            site, distribution, modules=UNTOUCHABLE,
            callbacks={f"{name}2": "untouchable:A", f"{name}1": "untouchable:A"}, plugins={distribution: "untouchable"},
        )  # fmt: skip
    mine = [(r.kind, r.name) for r in registry.installed() if r.distribution in ("zulu", "alpha", "mike")]
    assert mine == [
        *(("callback", name) for name in ("Alpha1", "Alpha2", "Mike1", "Mike2", "Zulu1", "Zulu2")),
        *(("plugin", name) for name in ("alpha", "mike", "zulu")),
    ]


def test_distribution_that_stands_on_the_path_twice_counts_once(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an editable install does, whose metadata are in the source tree as well.
    for folder, version in ((tmp_path / "second", "1.0"), (site, "2.0")):
        install(folder, "acme", version, modules={"acme": "class Acme: ..."}, callbacks={"Acme": "acme:Acme"})
    monkeypatch.setattr(sys, "path", [str(site), str(tmp_path / "second"), *sys.path])
    registry.installed.cache_clear()
    assert [record.version for record in registry.installed() if record.name == "Acme"] == ["2.0"]
    assert states("Acme") == {"Acme": "offered"}


def test_package_installed_while_the_process_runs_is_found(site: Path) -> None:
    assert "Acme" not in dir(cthulhu.callbacks)
    install(site, "acme", modules={"acme": "class Acme: ..."}, callbacks={"Acme": "acme:Acme"})
    importlib.invalidate_caches()
    assert cthulhu.callbacks.Acme.__module__ == "acme"
    assert "Acme" in dir(cthulhu.callbacks)


# --- packages that do not work ----------------------------------------------------------------------------------------


def test_callback_that_cannot_be_imported_is_an_error_with_its_cause(site: Path) -> None:
    install(site, "acme", modules={"acme": "import no_such_module"}, callbacks={"Acme": "acme:Acme"})
    assert states("Acme") == {"Acme": "offered"}  # nobody can know without importing it
    with pytest.raises(PluginError) as caught:
        registry.callback("Acme")
    assert str(caught.value) == (
        "Acme from acme 1.0 (acme:Acme) cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_error_reaches_whoever_writes_an_import_statement(site: Path) -> None:
    install(site, "acme", modules={"acme": "1 / 0"}, callbacks={"Acme": "acme:Acme"})
    with pytest.raises(ImportError, match="Acme from acme 1.0 .* cannot be imported: ZeroDivisionError"):
        exec("from cthulhu.callbacks import Acme")


def test_class_that_is_not_in_its_module(site: Path) -> None:
    install(site, "acme", modules={"acme": ""}, callbacks={"Acme": "acme:Acme"})
    assert "cannot be imported: AttributeError: module 'acme' has no attribute 'Acme'" in problem("Acme")


def test_entry_point_that_is_no_class(site: Path) -> None:
    install(site, "acme", modules={"acme": "Acme = 3"}, callbacks={"Acme": "acme:Acme"})
    assert problem("Acme") == "Acme from acme 1.0 (acme:Acme) is 3: expected a subclass of cthulhu.callbacks.Callback"


@pytest.mark.parametrize("value", ["acme", "acme:", ":Acme", "acme:Acme()", "acme Acme"])
def test_malformed_entry_point_is_broken_and_harms_no_other(site: Path, value: str) -> None:
    install(site, "acme", modules={"acme": "class Good: ..."}, callbacks={"Acme": value, "Good": "acme:Good"})
    assert states("Acme", "Good") == {"Acme": "broken", "Good": "offered"}
    assert f"its entry point {value!r} names no class: expected module:Class" in problem("Acme")
    assert registry.callback("Good").__name__ == "Good"


def test_module_that_is_not_there_is_seen_without_importing(site: Path) -> None:
    install(site, "acme-tools", modules={}, callbacks={"Acme": "acme_missing:Acme"})
    assert problem("Acme") == (
        "Acme from acme-tools 1.0 (acme_missing:Acme) cannot be used: "
        "its module acme_missing is not there: pip install --force-reinstall acme-tools"
    )


def test_name_of_two_distributions_is_an_error_that_names_both(site: Path) -> None:
    for distribution in ("first", "second"):
        install(
            site,
            distribution,
            modules=UNTOUCHABLE,
            callbacks={"Both": "untouchable:Both", distribution.title(): "untouchable:X"},
        )
    assert states("Both", "First", "Second") == {"Both": "clash", "First": "offered", "Second": "offered"}
    assert problem("Both") == (
        "Both from first 1.0 (untouchable:Both): second 1.0 provides it, too: uninstall one of them"
    )


def test_callback_and_plugin_may_have_one_name(site: Path) -> None:
    install(site, "first", modules=UNTOUCHABLE, callbacks={"same": "untouchable:A"})
    install(site, "second", modules=UNTOUCHABLE, plugins={"same": "untouchable:plugin"})
    assert [row.state for row in rows() if row.record.name == "same"] == ["offered", "on"]


def test_name_of_core_cannot_be_taken(site: Path) -> None:
    install(site, "acme", modules=UNTOUCHABLE, callbacks={"History": "untouchable:History"})
    assert states("History") == {"History": "clash"}
    assert "History is a callback of cthulhu-core itself" in problem("History")
    assert cthulhu.callbacks.History.__module__ == "cthulhu_core.run.history"


@pytest.mark.parametrize("requirement", ["cthulhu-core>=99", "Cthulhu_Core >=99,<100", "cthulhu-core<0.0.1"])
def test_package_for_another_core_is_not_imported_and_says_so(site: Path, requirement: str) -> None:
    install(site, "acme", modules=UNTOUCHABLE, callbacks={"Acme": "untouchable:Acme"}, requires=[requirement])
    message = problem("Acme")
    assert message.startswith("Acme from acme 1.0 (untouchable:Acme) cannot be used: acme 1.0 needs cthulhu-core")
    assert message.endswith(f", installed is {__version__}: pip install --upgrade acme cthulhu-core")


@pytest.mark.parametrize(
    "requires",
    [
        ["cthulhu-core"],
        ["cthulhu-core>=0.1,<1", "torch"],
        ['cthulhu-core>=99; extra == "future"'],
        ['cthulhu-core>=99; python_version < "3"'],
        ["this is no requirement"],
    ],
)
def test_requirement_that_is_met_or_does_not_apply(site: Path, requires: list[str]) -> None:
    install(site, "acme", modules=UNTOUCHABLE, callbacks={"Acme": "untouchable:Acme"}, requires=requires)
    assert states("Acme") == {"Acme": "offered"}


def test_folder_that_a_failed_uninstall_left_behind_harms_nobody(site: Path) -> None:
    install(site, "acme", modules={"acme": "class Acme: ..."}, callbacks={"Acme": "acme:Acme"})
    left = site / "gone-1.0.dist-info"
    left.mkdir()
    (left / "entry_points.txt").write_text("[cthulhu.callbacks]\nGone = gone:Gone\n")
    assert registry.callback("Acme").__name__ == "Acme"
    assert states("Gone") == {}
    registry._distributions_of_packages.cache_clear()
    try:
        assert registry.provider("acme.module") == "acme 1.0"
        assert registry.provider("no_such_module") == ""
    finally:
        registry._distributions_of_packages.cache_clear()


# --- names that nobody offers -----------------------------------------------------------------------------------------


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = functools.cache(lambda: ())
    monkeypatch.setattr(registry, "installed", installed)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_missing_official_callback_says_what_to_install(name: str) -> None:
    assert problem(name) == f"{name} is in {OFFICIAL[name]}: pip install {OFFICIAL[name]}"


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Tensorboard", "TensorBoard"),
        ("EarlyStoping", "EarlyStopping"),
        ("LumpCheckpiont", "LumpCheckpoint"),
        ("Histroy", "History"),
        ("ModelCheckpoint", "LumpCheckpoint"),
        ("LambdaCallback", "LuKthuCallback"),
    ],
)
def test_misspelt_name_suggests_the_right_one(written: str, meant: str) -> None:
    assert problem(written) == f"there is no callback {written}: did you mean {meant}?"


def test_misspelt_name_of_an_installed_package_suggests_it(site: Path) -> None:
    install(site, "acme", modules=UNTOUCHABLE, callbacks={"AcmeUploader": "untouchable:A"})
    assert problem("AcmeUploder") == "there is no callback AcmeUploder: did you mean AcmeUploader?"


@pytest.mark.usefixtures("nothing_installed")
def test_unknown_name_is_an_attribute_error_that_lists_what_there_is() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = cthulhu.callbacks.Xyzzy
    assert str(caught.value) == (
        "no installed package offers a callback 'Xyzzy'; there are BaseLogger, Callback, History"
    )
    assert not hasattr(cthulhu.callbacks, "__wrapped__")


def test_official_names_are_documented_classes_in_distributions_of_this_project() -> None:
    assert len(OFFICIAL) == len(set(OFFICIAL.values())) == 10
    assert all(distribution.startswith("cthulhu-") for distribution in OFFICIAL.values())
    assert issubclass(cthulhu.callbacks.History, Callback)
