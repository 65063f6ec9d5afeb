"""Importing costs little, touches nothing that is installed, and tells type checkers the documented names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cthulhu_core.installed import registry
from foreign import install


def python(code: str, path: Path | None = None) -> str:
    """What ``code`` prints in a fresh interpreter, with ``path`` as the first folder to import from."""
    if path is not None:
        code = f"import sys; sys.path.insert(0, {str(path)!r}); {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["cthulhu", "cthulhu.callbacks", "cthulhu_core"])
def test_import_brings_neither_torch_nor_any_plugin(module: str, site: Path) -> None:
    install(
        site, "acme", modules={"acme": "raise SystemExit('imported')"},
        callbacks={"Acme": "acme:Acme"}, plugins={"acme": "acme:plugin"},
    )  # fmt: skip
    heavy = "torch numpy h5py requests tqdm tensorboard matplotlib acme importlib_metadata packaging".split()  # noqa: SIM905
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    assert python(code, site) == "[]"
    installed = f"import sys, {module}; print([name for name in sys.modules if name.startswith('cthulhu_')])"
    assert "cthulhu_csv" not in python(installed)


def test_every_package_that_is_installed_can_be_listed_without_importing_it(site: Path) -> None:
    install(site, "acme", modules={"acme": "raise SystemExit('imported')"}, callbacks={"Acme": "acme:Acme"})
    listed = python("import cthulhu.callbacks; print(dir(cthulhu.callbacks))", site)
    assert "'Acme'" in listed
    assert "'History'" in listed


def test_callback_of_a_package_is_imported_when_it_is_named(site: Path) -> None:
    install(site, "acme", modules={"acme": "class Acme: ..."}, callbacks={"Acme": "acme:Acme"})
    code = "import cthulhu.callbacks as c; before = 'acme' in sys.modules; print(before, c.Acme.__module__)"
    assert python(code, site) == "False acme"


def test_core_names_are_the_same_objects_everywhere() -> None:
    code = (
        "import cthulhu.callbacks as user, cthulhu_core as author; "
        "print([getattr(user, name) is getattr(author, name) for name in ('Callback', 'BaseLogger', 'History')])"
    )
    assert python(code) == "[True, True, True]"


def test_everything_of_callbacks_can_be_imported_with_core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "installed", lambda: ())
    names: dict[str, object] = {}
    exec("from cthulhu.callbacks import *", names)
    assert {"BaseLogger", "Callback", "History"} <= set(names)
