"""The test kit as a part of the core: what importing it needs and brings, and who imports it, which is nobody."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

from packaging.requirements import Requirement

import cthulhu_core


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_it_brings_pytest_and_not_torch() -> None:
    code = (
        "import sys, cthulhu_core.testing, cthulhu_core.testing.fixtures; "
        "print([name in sys.modules for name in ('pytest', 'torch', 'numpy')])"
    )
    assert python(code) == "[True, False, False]"


def test_without_pytest_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pytest"] = None
try:
    import cthulhu_core.testing
except ImportError as error:
    print(error)
"""
    assert python(code) == 'cthulhu_core.testing needs pytest: pip install "cthulhu-core[testing]"'


def test_nothing_of_the_core_imports_it() -> None:
    folder = Path(cthulhu_core.__file__).parent
    sources = [path for path in folder.rglob("*.py") if folder / "testing" not in path.parents]
    assert len(sources) > 40
    assert [path for path in sources if "cthulhu_core.testing" in path.read_text(encoding="utf-8")] == []


def test_extra_brings_pytest_which_does_not_load_it_by_itself() -> None:
    extra = [Requirement(text) for text in requires("cthulhu-core") or () if "testing" in text.partition(";")[2]]
    assert [requirement.name for requirement in extra] == ["pytest"]
    assert not [point for point in entry_points(group="pytest11") if point.value.startswith("cthulhu")]
