"""``cthulhu check``: for each rule a package that breaks it, with what is said of it, and one that breaks none."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from cthulhu_core.authoring.checks import hooks, importing, imports, metadata, offers, sources
from cthulhu_core.authoring.checks.package import Finding, find
from cthulhu_core.authoring.checks.rules import findings
from cthulhu_core.cli.main import main
from foreign import install

ACME = '''
    from cthulhu_core import Callback

    class Acme(Callback):
        """Counts the epochs."""

        on_error, ranks, logged = "disable", "main", ()

        def __init__(self, label="epochs"):
            self.label = label

        def on_epoch_end(self, epoch, logs={}):
            self.count = epoch
'''
GOOD = {
    "modules": {"acme/__init__": ACME},
    "callbacks": {"Acme": "acme:Acme"},
    "requires": ["cthulhu-core>=0.1,<1"],
    "metadata": ["Requires-Python: >=3.10"],
    "description": "# acme-tools",
    "files": {"acme/py.typed": "", "INFO/licenses/LICENSE": "MIT"},
}
POINT = 'pyproject.toml, [project.entry-points."cthulhu.callbacks"] '
DEPENDENCIES = "pyproject.toml, [project] dependencies"


@pytest.fixture
def package(site):
    """Installs acme-tools, a good package but for what is said here, and gives it as the rules see it."""

    def package(**contents):
        install(site, "acme-tools", "1.5", **GOOD | contents)
        return find("acme-tools")

    return package


def callbacks(source, *names):
    """The contents of a package with these callbacks; ``source`` comes behind the import of Callback and hookimpl."""
    head = "from cthulhu_core import Callback, hookimpl\n"
    return {"modules": {"acme/__init__": head + dedent(source)}, "callbacks": {name: f"acme:{name}" for name in names}}


# --- a good package ---------------------------------------------------------------------------------------------------


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


# --- metadata ---------------------------------------------------------------------------------------------------------


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


# --- what is offered --------------------------------------------------------------------------------------------------


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


# --- hooks and signatures ---------------------------------------------------------------------------------------------


def test_every_hook_that_is_not_real_is_found_with_its_cure(package):
    source = """
        class Methods(Callback):
            on_error = "ignore"
            def __init__(self, needed): ...
            def on_epoch_end(self, epoch): ...
            def on_epoch_ends(self, epoch, logs): ...
            async def on_train_end(self, logs): ...

        class Hooks(Callback):
            @hookimpl
            def cthulhu_epoch_ends(self): ...
            @hookimpl
            def cthulhu_epoch_end(self, log, epoch=0): ...
            @hookimpl
            def cthulhu_batch_end(self, **others): ...
            def cthulhu_train_end(self): ...
    """
    found = list(hooks.accepted(package(**callbacks(source, "Methods", "Hooks"))))
    lines = {
        each.what.partition(" ")[0].rstrip(":"): int(each.where.removeprefix("acme/__init__.py:")) for each in found
    }
    assert lines == {
        "Methods.on_error": 3,
        "Methods.on_epoch_end(epoch)": 6,
        "Methods.on_epoch_ends": 7,
        "Methods.on_train_end": 8,
        "Hooks.cthulhu_epoch_ends": 11,
        "Hooks.cthulhu_epoch_end": 13,
        "Hooks.cthulhu_batch_end": 15,
        "Hooks.cthulhu_train_end": 17,
    }
    assert {each.what: each.cure for each in found} == {
        "Methods.on_error is 'ignore'": "expected 'raise' or 'disable'",
        "Methods.on_train_end is async": "a call would do nothing; make it a plain method",
        "Methods.on_epoch_end(epoch) is called with 2 positional arguments (epoch, logs)": (
            "too many positional arguments; write on_epoch_end(self, epoch, logs)"
        ),
        "Methods.on_epoch_ends would never be called: there is no such hook": "did you mean on_epoch_end?",
        "Hooks.cthulhu_train_end would never be called": "write @hookimpl above it",
        "Hooks.cthulhu_epoch_ends: there is no hook cthulhu_epoch_ends": "did you mean cthulhu_epoch_end?",
        "Hooks.cthulhu_epoch_end: cthulhu_epoch_end has no argument log": (
            "did you mean logs? It takes run, epoch, logs"
        ),
        "Hooks.cthulhu_epoch_end: the default of epoch=0 would never be used": "remove it",
        "Hooks.cthulhu_batch_end: **others is never given by a hook": (
            "name what you want (cthulhu_batch_end takes run, batch, logs)"
        ),
    }


def test_what_only_the_constructor_sets_is_not_held_against_a_class(package):
    source = """
        class Acme(Callback):
            def __init__(self, quiet):
                self.quiet = quiet

            @property
            def on_error(self):
                return "disable" if self.quiet else "raise"
    """
    assert list(hooks.accepted(package(**callbacks(source, "Acme")))) == []


def test_plugin_that_does_not_say_what_it_logs_is_found_where_it_is_called_in_runs(package):
    mark = "from cthulhu_core import hookimpl\n@hookimpl\n"
    sources = {
        "silent": mark + "def cthulhu_epoch_end(logs): ...",
        "says": mark + "def cthulhu_epoch_end(logs): ...\nlogged = ('seconds',)",
        "serves": mark + "def cthulhu_load_weights(filepath): ...",
    }
    package = package(modules=sources, callbacks={}, plugins={name: name for name in sources})
    (found,) = hooks.logs_are_known(package)
    assert found.what.startswith("silent is called in every run and does not say which names it logs")
    assert (found.where, found.cure) == ("silent.py:1", "write logged = (), or the names, beside its hooks")


def test_class_is_looked_at_without_making_or_ending_an_object(package, capsys):
    source = """
        class Acme(Callback):
            on_error = "ignore"
            def __init__(self):
                raise RuntimeError("made")
            def __del__(self):
                self.file.close()
    """
    found = list(hooks.accepted(package(**callbacks(source, "Acme"))))
    assert [each.what for each in found] == ["Acme.on_error is 'ignore'"]


def test_service_that_a_callback_would_never_be_asked_for_is_found(package):
    source = """
        class Acme(Callback):
            @hookimpl
            def cthulhu_saved_suffixes(self):
                return (".acme",)
    """
    (found,) = hooks.accepted(package(**callbacks(source, "Acme")))
    assert (found.what, found.where) == ("Acme.cthulhu_saved_suffixes would never be called", "acme/__init__.py:4")
    assert "offer the object as an entry point" in found.cure


def test_default_that_all_instances_share_is_found(package):
    source = """
        class Acme(Callback):
            def __init__(self, names=[], limits={"loss": 1}, marks=(1, 2), label=None): ...
            def on_epoch_end(self, epoch, logs={}): ...
    """
    found = list(hooks.defaults_are_fresh(package(**callbacks(source, "Acme"))))
    assert [each.what for each in found] == [
        "Acme(names=[]): all instances share this list",
        "Acme(limits={'loss': 1}): all instances share this dict",
    ]
    assert found[0].cure == "write names=None and make it in the constructor, or use a tuple"


# --- imports ----------------------------------------------------------------------------------------------------------


def test_heavy_import_is_found_with_the_line_that_asks_for_it(package, site):
    heavy = {"heavy/__init__": "import heavier", "heavier": "", "lazy": "", "checked": ""}
    install(site, "heavy", modules=heavy)
    source = """
        import json
        from typing import TYPE_CHECKING

        from cthulhu_core import Callback, Run

        try:
            import not_installed
        except ImportError:
            not_installed = None
        if TYPE_CHECKING:
            import checked

        class Acme(Callback):
            def on_train_begin(self, logs):
                import lazy
    """
    package = package(
        modules={"acme/__init__": "from acme.inner import Acme", "acme/inner": source + "\n        import heavy\n"}
    )
    (found,) = imports.nothing_heavy(package)
    assert found.what.startswith("importing it imports heavy (0.")
    assert found.where == "acme/inner.py:18"
    assert found.cure == "import heavy in the function that uses it; for annotations, under `if TYPE_CHECKING:`"


def test_what_the_core_imports_when_it_is_asked_for_counts_as_imported_by_the_package(package):
    source = "from cthulhu.models import Pile\n" + dedent(ACME)
    found = list(imports.nothing_heavy(package(modules={"acme/__init__": source})))
    assert {each.where for each in found} == {"acme/__init__.py:1"}
    assert [each.cure.split()[1] for each in found] == ["torch"]


@pytest.mark.parametrize(
    ("source", "value", "cause"),
    [
        ("raise OSError('no such device')", "acme:Acme", "OSError: no such device"),
        ("raise SystemExit('bye')", "acme:Acme", "SystemExit: bye"),
        ("import os; os._exit(3)", "acme:Acme", "it ends the process with status 3"),
        (
            "import os; os.write(2, b'bus error'); os._exit(3)",
            "acme:Acme",
            "it ends the process with status 3: bus error",
        ),
        ("Acmee = 1", "acme:Acme", "module 'acme' has no attribute 'Acme'"),
    ],
)
def test_entry_point_that_cannot_be_imported_is_found_with_the_cause(package, source, value, cause):
    (found,) = imports.loads(package(modules={"acme/__init__": source}, callbacks={"Acme": value}))
    assert found == Finding(
        f"Acme cannot be imported: {cause}", POINT + "Acme", "see it fail: python -c 'from acme import Acme'"
    )


def test_import_that_does_not_end_is_given_up(package, monkeypatch):
    monkeypatch.setattr(importing, "_TIMEOUT", 0.5)
    (found,) = imports.loads(package(modules={"acme/__init__": "import time; time.sleep(60)"}))
    assert found.what == "Acme cannot be imported: it takes more than 0.5 seconds"


def test_what_an_import_prints_is_not_taken_for_its_result(package, capfd):
    noise = "import os\nprint('hello', end='')\nos.write(1, b'hello')\n"
    assert findings(package(modules={"acme/__init__": noise + dedent(ACME)})) == []


def test_private_names_of_the_core_are_found_wherever_they_are_imported(package):
    source = """
        import cthulhu_core.run.run
        import cthulhu.callbacks
        from cthulhu_core import Callback, Run, installed
        from cthulhu_core.testing import CallbackContract

        def late():
            from cthulhu_core.contract.monitor import Monitor
    """
    found = list(sources.public_names(package(modules={"acme/__init__": "", "acme/inner": source})))
    assert [(each.what, each.where) for each in found] == [
        ("cthulhu_core.run.run is private to cthulhu-core: any version may change it", "acme/inner.py:2"),
        ("cthulhu_core.installed is private to cthulhu-core: any version may change it", "acme/inner.py:4"),
        ("cthulhu_core.contract.monitor is private to cthulhu-core: any version may change it", "acme/inner.py:8"),
    ]
    assert [each.cure for each in found[1:]] == [
        "import only names in cthulhu_core.__all__; if one is missing there, open an issue",
        "write from cthulhu_core import Monitor",
    ]


def test_source_that_is_not_python_is_found(package):
    (found,) = sources.public_names(package(modules={"acme/__init__": "", "acme/draft": "def :"}))
    assert (found.what, found.where) == ("this is not Python: invalid syntax", "acme/draft.py:1")


# --- the command ------------------------------------------------------------------------------------------------------


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
