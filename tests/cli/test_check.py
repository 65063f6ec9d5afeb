"""``cthulhu check``: metadata, names, and the command itself."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from cthulhu_core.authoring.checks import imports, metadata, offers
from cthulhu_core.authoring.checks.package import Finding, find
from cthulhu_core.authoring.checks.rules import findings
from cthulhu_core.cli.main import main
from foreign import install
from good_package import ACME, DEPENDENCIES, GOOD, POINT, callbacks


def test_nothing_is_found_in_a_good_package(package, capsys):
    package()
    assert main(["check", "acme-tools"]) == 0
    first, blank, last = capsys.readouterr().out.splitlines()
    assert first.startswith("acme-tools 1.5: Acme; imported in 0.")
    assert (blank, last) == ("", "Nothing found by 16 rules in 1 package.")


def test_plugin_that_is_switched_off_is_checked_as_well(package, monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")
    source = "from cthulhu_core import hookimpl\nlogged = ()\n@hookimpl\ndef cthulhu_epoch_end(run, epochs): ...\n"
    found = findings(package(modules={"acme/__init__": source}, callbacks={}, plugins={"acme": "acme"}))
    assert [finding.what for finding in found] == ["acme.cthulhu_epoch_end: cthulhu_epoch_end has no argument epochs"]


def test_what_metadata_lack_is_found_with_the_key_to_write(package):
    found = findings(package(requires=[], metadata=[], description="", files={}))
    assert found == [
        Finding(
            "it does not say which versions of cthulhu-core it needs", DEPENDENCIES, 'write "cthulhu-core>=0.1,<1"'
        ),
        Finding(
            "it does not say which versions of Python it is for: pip installs it on all of them",
            "pyproject.toml, [project] requires-python",
            'write requires-python = ">=3.10", or what it is tested with',
        ),
        Finding(
            "type checkers do not read its annotations: it has no py.typed",
            "acme/",
            "add an empty file acme/py.typed to the package",
        ),
        Finding(
            "it has no README: its page in a package index is empty",
            "pyproject.toml, [project] readme",
            'write a README.md and readme = "README.md"',
        ),
        Finding(
            "it has no licence, so nobody may use it",
            "pyproject.toml, [project] license-files",
            'write a LICENSE and license-files = ["LICENSE"]',
        ),
    ]


@pytest.mark.parametrize(
    ("requirement", "what"),
    [
        ("cthulhu-core", "it does not say which versions of cthulhu-core it needs"),
        ("cthulhu-core>=0.1", "cthulhu-core>=0.1 has no ceiling"),
        ("cthulhu-core<1", "cthulhu-core<1 has no floor"),
        ("cthulhu-core!=0.5", "cthulhu-core!=0.5 has no floor and no ceiling"),
        ("cthulhu-core==0.1.0", "cthulhu-core==0.1.0 cannot be installed beside a package that needs another version"),
    ],
)
def test_requirement_on_the_core_has_a_floor_and_a_ceiling(package, requirement, what):
    found = list(metadata.requirement_on_core(package(requires=[requirement])))
    assert found == [Finding(what, DEPENDENCIES, 'write "cthulhu-core>=0.1,<1"')]


@pytest.mark.parametrize("requirement", ["cthulhu-core~=0.1", "cthulhu_core>=0.1,!=0.2,<1"])
def test_other_ways_to_write_a_floor_and_a_ceiling_are_fine(package, requirement):
    assert list(metadata.requirement_on_core(package(requires=[requirement]))) == []


@pytest.mark.parametrize("file", ["INFO/LICENSE", "INFO/LICENCE.txt", "INFO/licenses/COPYING"])
def test_licence_may_have_any_of_its_names(package, file):
    assert list(metadata.licence(package(files={file: "MIT"}))) == []


def test_single_file_cannot_have_types(package):
    found = list(metadata.typed(package(modules={"acme": ACME})))
    assert found == [
        Finding(
            "a single file cannot say that it has types",
            "acme.py",
            "make it a folder: acme/__init__.py, and an empty acme/py.typed",
        )
    ]


def test_package_without_entry_points_offers_nothing(package):
    (found,) = offers.offers_something(package(callbacks={}))
    assert found.what == "it offers nothing: it has no entry point for callbacks or plugins"
    assert '[project.entry-points."cthulhu.callbacks"]' in found.cure


def test_name_of_an_entry_point_is_that_of_the_class(package):
    found = list(offers.names_agree(package(callbacks={"Acmee": "acme:Acme"})))
    assert found == [
        Finding(
            "Acmee is a class named Acme: messages and checkpoints have that name",
            POINT + "Acmee",
            'write Acme = "acme:Acme", or rename the class',
        )
    ]


def test_what_is_offered_as_a_callback_is_one(package):
    source = "class Plain: ...\ndef function(): ..."
    found = list(
        offers.callbacks_are_classes(package(**callbacks(source, "Plain") | {"callbacks": {"Plain": "acme:Plain"}}))
    )
    assert [(each.what, each.where) for each in found] == [
        ("Plain is the class Plain, which is no callback", POINT + "Plain")
    ]


def test_function_that_is_offered_as_a_callback_can_be_imported_and_is_none(package):
    checked = package(**callbacks("def function(): ...", "function"))
    assert list(imports.loads(checked)) == []
    (found,) = offers.callbacks_are_classes(checked)
    assert found.what.startswith("function is <function function at ")
    assert found.what.endswith(", which is no callback")


def test_name_that_two_packages_offer_is_found_in_both(package, site):
    install(site, "other-tools", "2.0", modules={"other": ACME}, callbacks={"Acme": "other:Acme"})
    (found,) = offers.usable(package())
    assert found == Finding(
        "Acme: other-tools 2.0 provides it, too",
        POINT + "Acme",
        "choose a name that is free: `cthulhu plugins` lists those that are not",
    )
    assert [each.what for each in offers.usable(find("other-tools"))] == ["Acme: acme-tools 1.5 provides it, too"]


def test_names_of_official_callbacks_and_of_the_core_are_taken(package):
    points = {"TerminateOnNaN": "acme:Acme", "History": "acme:Acme"}
    found = [each.what for each in offers.usable(package(callbacks=points))]
    assert found[0] == "History: History is a callback of cthulhu-core itself"
    # Where the official package is installed as well, the two clash.
    assert found[1] in (
        "TerminateOnNaN is the name of the callback in cthulhu-terminate-on-nan",
        "TerminateOnNaN: cthulhu-terminate-on-nan 0.1.0 provides it, too",
    )


def test_callback_without_a_docstring_is_found_where_it_is(package):
    source = 'class Acme(Callback):\n    """Says it."""\n\nclass Mute(Acme): ...'
    found = list(offers.documented(package(**callbacks(source, "Acme", "Mute"))))
    assert [(each.what, each.where) for each in found] == [("Mute has no docstring", "acme/__init__.py:5")]


def test_finding_says_what_where_and_cure_and_the_status_is_one(package, capsys):
    package(description="", metadata=[])
    assert main(["check", "acme_tools"]) == 1
    assert capsys.readouterr().out == dedent("""\
        acme-tools 1.5: 2 findings

          it does not say which versions of Python it is for: pip installs it on all of them
            where  pyproject.toml, [project] requires-python
            cure   write requires-python = ">=3.10", or what it is tested with

          it has no README: its page in a package index is empty
            where  pyproject.toml, [project] readme
            cure   write a README.md and readme = "README.md"

        """)


def test_json_has_a_row_for_each_package(package, site, capsys):
    source = {"modules": {"other/__init__": ACME.replace("Acme", "Other")}, "callbacks": {"Other": "other:Other"}}
    install(site, "other-tools", "2.0", **GOOD | source | {"files": {"other/py.typed": "", "INFO/LICENSE": "MIT"}})
    package(description="")
    assert main(["check", "acme-tools", "other-tools", "--json"]) == 1
    acme, other = json.loads(capsys.readouterr().out)
    assert (acme["package"], acme["version"], acme["offers"]) == ("acme-tools", "1.5", ["Acme"])
    assert [finding["where"] for finding in acme["findings"]] == ["pyproject.toml, [project] readme"]
    assert 0 < acme["import_seconds"] < 10
    assert (other["package"], other["findings"]) == ("other-tools", [])


def test_without_a_name_all_that_offer_something_are_checked(package, monkeypatch, capsys):
    from cthulhu_core.authoring.checks import package as module

    monkeypatch.setattr(module, "installed", lambda: [row.record for row in package(description="").rows])
    assert main(["check"]) == 1
    assert capsys.readouterr().out.startswith("acme-tools 1.5: 1 finding\n")
    monkeypatch.setattr(module, "installed", list)
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("No installed package offers callbacks or plugins")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acme-tool", "did you mean acme-tools? If not, pip install acme-tool, or in its folder: pip install -e ."),
        ("zzz", "no package 'zzz' is installed: pip install zzz, or in its folder: pip install -e ."),
        ("Acme", "Acme is in the package acme-tools: cthulhu check acme-tools"),
        ("cthulhu-core", "cthulhu-core is what packages are checked against: name one of them"),
    ],
)
def test_name_that_is_not_installed_is_an_error_with_the_way_out(package, capsys, name, message):
    package()
    assert main(["check", "acme-tools", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
