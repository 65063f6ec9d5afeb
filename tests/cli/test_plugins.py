"""``cthulhu plugins``: what it prints, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cthulhu_core import __version__
from cthulhu_core.cli.main import main
from cthulhu_core.installed import registry
from foreign import install

# Whoever imports it fails.
UNTOUCHABLE = {"untouchable": "raise SystemExit('imported')"}


def table(text: str) -> dict[str, list[str]]:
    """The rows of a listing by their first cell; cells are two blanks apart."""
    rows = [[cell.strip() for cell in line.split("  ") if cell] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(registry, "installed", lambda: ())


def test_rows_say_name_package_kind_state_and_reason(site, monkeypatch, capsys):
    monkeypatch.setenv("CTHULHU_DISABLE", "quiet")
    install(
        site, "acme-tools", "1.5", modules=UNTOUCHABLE,
        callbacks={"Acme": "untouchable:Acme", "Lost": "nowhere:Lost"},
        plugins={"always": "untouchable:always", "quiet": "untouchable:quiet"},
    )  # fmt: skip
    assert main(["plugins"]) == 0
    rows = table(capsys.readouterr().out)
    assert rows["NAME"] == ["PACKAGE", "KIND", "STATE", "REASON"]
    assert rows["Acme"] == ["acme-tools 1.5", "callback", "offered", "from cthulhu.callbacks import Acme"]
    assert rows["always"][:3] == ["acme-tools 1.5", "plugin", "on"]
    assert rows["always"][3] == "in every run; CTHULHU_DISABLE=always switches it off"
    assert rows["quiet"] == ["acme-tools 1.5", "plugin", "off", "CTHULHU_DISABLE=quiet"]
    assert rows["Lost"][:3] == ["acme-tools 1.5", "callback", "broken"]
    assert rows["Lost"][3] == "its module nowhere is not there: pip install --force-reinstall acme-tools"


def test_columns_are_aligned_and_lines_have_no_blanks_at_their_end(site, capsys):
    install(site, "a-package-with-a-long-name", modules=UNTOUCHABLE, callbacks={"Aa": "untouchable:Aa"})
    install(site, "b", modules=UNTOUCHABLE, callbacks={"LongerName": "untouchable:LongerName"})
    main(["plugins"])
    lines = capsys.readouterr().out.splitlines()
    column = lines[0].index("KIND")
    assert {line[column - 2 : column + 8] for line in lines[1:]} <= {"  callback", "  plugin  "}
    assert all(line == line.rstrip() for line in lines)


def test_name_of_two_packages_is_a_clash_that_names_the_other(site, capsys):
    for package in ("one", "two"):
        install(site, package, modules=UNTOUCHABLE, callbacks={"Same": "untouchable:Same"})
    main(["plugins"])
    clashes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Same ")]
    assert [line.split("clash")[1].strip() for line in clashes] == [
        "two 1.0 provides it, too: uninstall one of them",
        "one 1.0 provides it, too: uninstall one of them",
    ]


def test_json_is_a_list_of_objects(site, capsys):
    install(site, "acme", modules=UNTOUCHABLE, callbacks={"Acme": "untouchable:Acme"}, requires=["cthulhu-core>=99"])
    assert main(["plugins", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "Acme"]
    reason = row.pop("reason")
    assert row == {
        "name": "Acme",
        "package": "acme",
        "version": "1.0",
        "kind": "callback",
        "entry_point": "untouchable:Acme",
        "state": "broken",
    }
    assert reason.startswith(f"acme 1.0 needs cthulhu-core>=99, installed is {__version__}")


@pytest.mark.usefixtures("nothing_installed")
def test_when_nothing_is_installed_it_says_what_to_do(capsys):
    assert main(["plugins"]) == 0
    assert "pip install 'cthulhu-core[all]'" in capsys.readouterr().out


@pytest.mark.usefixtures("nothing_installed")
def test_when_nothing_is_installed_the_json_list_is_empty(capsys):
    assert main(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_listing_imports_neither_torch_nor_a_plugin(site):
    install(
        site, "acme", modules=UNTOUCHABLE,
        callbacks={"Acme": "untouchable:Acme"}, plugins={"acme": "untouchable:plugin"},
    )  # fmt: skip
    code = f"""
import sys
sys.path.insert(0, {str(site)!r})
from cthulhu_core.cli.main import main
main(["plugins"])
print(sorted({{"torch", "numpy", "untouchable", "cthulhu_csv"}} & set(sys.modules)))
"""
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "acme 1.0" in output
    assert output.splitlines()[-1] == "[]"


# --- plugins --check --------------------------------------------------------------------------------------------------

CHECKED = {
    "sound": "import time\ntime.sleep(0.3)\nclass Sound: ...",
    "raises": "raise ValueError('broken inside')",
    "exits": "raise SystemExit('on its own')",
    "dies": "import os\nos._exit(7)",
    "function": "def Function(): ...",
    "loose": "def cthulhu_epoch_end(run): ...",
}


@pytest.fixture
def checked(site, monkeypatch, capsys):
    """``checked(callbacks, plugins, ...)`` installs them, alone, and gives status and output of ``--check``."""

    def checked(callbacks, plugins=None, *options):
        install(site, "acme", "2.0", modules=CHECKED, callbacks=callbacks, plugins=plugins or {})
        ours = [row for row in registry.rows() if row.record.distribution == "acme"]
        monkeypatch.setattr("cthulhu_core.cli.plugins.rows", lambda: ours)
        status = main(["plugins", "--check", *options])
        return status, capsys.readouterr().out

    return checked


def test_check_says_how_long_each_import_takes(checked):
    status, output = checked({"Sound": "sound:Sound"})
    assert status == 0
    rows = table(output)
    assert rows["NAME"] == ["PACKAGE", "KIND", "STATE", "IMPORT", "REASON"]
    assert rows["Sound"][:3] == ["acme 2.0", "callback", "offered"]
    assert 0.3 <= float(rows["Sound"][3].removesuffix(" s")) < 10


@pytest.mark.parametrize(
    ("callbacks", "plugins", "reason"),
    [
        ({"Raises": "raises:X"}, None, "Raises from acme 2.0 (raises:X) cannot be imported: ValueError: broken inside"),
        ({"Exits": "exits:X"}, None, "Exits from acme 2.0 (exits:X) cannot be imported: SystemExit: on its own"),
        (
            {"Dies": "dies:X"}, None,
            "Dies from acme 2.0 (dies:X) cannot be imported: it ends the process with status 7",
        ),
        ({"Function": "function:Function"}, None, "Function from acme 2.0 (function:Function) is <function"),
        ({"Lost": "sound:Lost"}, None, "Lost from acme 2.0 (sound:Lost) cannot be imported: AttributeError: "),
        ({}, {"loose": "loose"}, "loose.cthulhu_epoch_end would never be called: write @hookimpl above it"),
    ],
)  # fmt: skip
def test_check_says_why_an_import_cannot_be_used(checked, callbacks, plugins, reason):
    status, output = checked(callbacks, plugins, "--json")
    assert status == 1
    (row,) = json.loads(output)
    assert row["state"] == "broken"
    assert row["reason"].startswith(reason)


def test_check_imports_nothing_that_nobody_would_import(checked, monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "off")
    status, output = checked({"Sound": "sound:Sound", "Lost": "nowhere:X"}, {"off": "dies"}, "--json")
    assert status == 1
    rows = {row["name"]: row for row in json.loads(output)}
    assert (rows["off"]["state"], rows["off"]["import_seconds"]) == ("off", None)
    assert (rows["Lost"]["state"], rows["Lost"]["import_seconds"]) == ("broken", None)
    assert 0.3 <= rows["Sound"]["import_seconds"] < 10


def test_switch_that_switches_nothing_off_is_said_beside_the_list(site, monkeypatch, capsys):
    install(site, "acme", modules=UNTOUCHABLE, plugins={"always": "untouchable:always"})
    monkeypatch.setenv("CTHULHU_DISABLE", "alway")
    assert main(["plugins"]) == 0
    assert capsys.readouterr().err == "CTHULHU_DISABLE: no installed plugin is called alway: did you mean always?\n"
