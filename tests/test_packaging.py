"""What the packages of this repository say about themselves, and whether they say the same."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from cthulhu_core.installed.registry import OFFICIAL

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))
EXAMPLES = sorted(file.parent for file in ROOT.glob("examples/plugins/*/pyproject.toml"))
every_plugin = pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
every_package = pytest.mark.parametrize("folder", [*PLUGINS, *EXAMPLES], ids=lambda folder: folder.name)


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds(requirement: Requirement) -> list[str]:
    return sorted(specifier.operator for specifier in requirement.specifier)


def test_extra_all_is_every_package_of_the_repository():
    extra = [Requirement(text) for text in project(ROOT)["optional-dependencies"]["all"]]
    assert [requirement.name for requirement in extra] == [folder.name for folder in PLUGINS]
    assert all(bounds(requirement) == ["<", ">="] for requirement in extra)


@pytest.mark.parametrize("folder", [ROOT, *PLUGINS, *EXAMPLES], ids=lambda folder: folder.name)
def test_requirements_have_a_floor_and_a_ceiling(folder):
    extras = project(folder).get("optional-dependencies", {})
    for text in [*project(folder)["dependencies"], *(text for extra in extras.values() for text in extra)]:
        # Between the two, a version that is known to fail may be left out.
        assert [bound for bound in bounds(Requirement(text)) if bound != "!="] == ["<", ">="], text


@every_package
def test_plugin_requires_the_core_and_no_other_plugin(folder):
    required = [Requirement(text).name for text in project(folder)["dependencies"]]
    assert [name for name in required if name.startswith("cthulhu-")] == ["cthulhu-core"]


@every_package
def test_folder_distribution_and_import_package_bear_one_name(folder):
    assert project(folder)["name"] == folder.name
    assert [package.name for package in (folder / "src").iterdir() if package.is_dir()] == [
        folder.name.replace("-", "_")
    ]


@every_plugin
def test_plugin_offers_the_callbacks_that_the_core_says_are_in_it(folder):
    offered = project(folder)["entry-points"].get("cthulhu.callbacks", {})
    assert set(offered) == {name for name, package in OFFICIAL.items() if package == folder.name}
    assert set(offered.values()) == {f"{folder.name.replace('-', '_')}:{name}" for name in offered}


@every_package
def test_plugin_has_licence_pages_types_and_tests(folder):
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (folder / "src" / folder.name.replace("-", "_") / "py.typed").read_bytes() == b""
    assert list((folder / "tests").glob("test_*.py"))
    assert "```python" in (folder / "README.md").read_text(encoding="utf-8")
    version = project(folder)["version"]
    assert re.search(
        rf"^## {re.escape(version)}\b", (folder / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )


def test_constraints_are_pins_without_addresses():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert [
        pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+( ; python_version (<|>=|==) \"3\.\d+\")?", pin)
    ] == []
