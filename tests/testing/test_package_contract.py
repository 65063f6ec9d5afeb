"""The standard tests of a package find what they are meant to find, and nothing in a package that is right."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cthulhu_core.testing import PackageContract
from foreign import install

ACME = "from cthulhu_core import Callback\nclass Acme(Callback): ..."

TESTS = """
    from cthulhu_core.testing import PackageContract
    from acme import Acme

    class TestPackage(PackageContract):
        callback = Acme
"""


@pytest.fixture
def contract(site: Path, tmp_path: Path) -> Any:
    """Install the package ``acme`` and return the object that holds its standard tests."""

    def make(changelog: str = "## 1.0", readme: str = "", plugins: dict[str, str] | None = None) -> PackageContract:
        install(site, "acme", modules={"acme": ACME}, callbacks={"Acme": "acme:Acme"}, plugins=plugins or {})
        (tmp_path / "tests").mkdir()
        (tmp_path / "README.md").write_text(readme)
        (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog}\n")
        file = tmp_path / "tests" / "test_acme.py"
        file.write_text(dedent(TESTS))
        spec = importlib.util.spec_from_file_location("test_acme", file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["test_acme"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        package: PackageContract = module.TestPackage()
        return package

    yield make
    sys.modules.pop("test_acme", None)


def test_package_that_is_right_passes(contract: Any) -> None:
    package = contract()
    package.test_entry_points_offer_the_documented_names()
    package.test_changelog_names_the_installed_version()


def test_entry_point_that_is_not_declared_is_found(contract: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match="extra"):
        contract(plugins={"extra": "acme"}).test_entry_points_offer_the_documented_names()


def test_declared_plugin_that_is_missing_is_found(contract: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = contract()
    monkeypatch.setattr(type(package), "plugins", {"lost": "acme.plugin"})
    with pytest.raises(pytest.fail.Exception, match="lost"):
        package.test_entry_points_offer_the_documented_names()


@pytest.mark.parametrize("changelog", ["## 1.1", "## 0.9 (unreleased)\n\n## 1.0", ""])
def test_changelog_of_another_version_is_found(contract: Any, changelog: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"expected +1\.0\n"):
        contract(changelog).test_changelog_names_the_installed_version()


def test_examples_of_the_readme_run_one_after_the_other(contract: Any) -> None:
    package = contract(readme="```python\na = 1\n```\ntext\n```sh\nexit 1\n```\n```python\nb = a + 1\n```\n")
    assert package.run_readme()["b"] == 2
    assert "b" not in package.run_readme(0)
    with pytest.raises(NameError):
        package.run_readme(1)
