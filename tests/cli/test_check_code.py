"""``cthulhu check``: hooks, signatures, imports and sources."""

from __future__ import annotations

from textwrap import dedent

import pytest

from cthulhu_core.authoring.checks import hooks, importing, imports, sources
from cthulhu_core.authoring.checks.package import Finding
from cthulhu_core.authoring.checks.rules import findings
from foreign import install
from good_package import ACME, POINT, callbacks


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
