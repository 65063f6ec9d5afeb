"""The pages about writing, testing and publishing a package are followed, in an environment that has only the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples_in_pages import NOT_RUN, all_blocks, follow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "packages" / f"{name}.md" for name in ("writing", "testing", "publishing")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a new environment, which has the wheel of the core and what it needs."""
    if "WHEELS" not in os.environ:
        pytest.skip("there are no wheels to install: nox -s docs builds them")
    (core,) = Path(os.environ["WHEELS"]).glob("cthulhu_core-*.whl")
    python = tmp_path / "environment" / "bin" / "python"
    uv, constraints = [sys.executable, "-m", "uv"], str(ROOT / "constraints.txt")
    subprocess.run([*uv, "venv", "--quiet", "--seed", str(python.parents[1])], check=True)
    needed = [f"cthulhu-core[testing] @ {core.as_uri()}", "build", "hatchling"]
    subprocess.run([*uv, "pip", "install", "--quiet", "-p", str(python), "-c", constraints, *needed], check=True)
    left_out = ("CTHULHU_CONFIG", "CTHULHU_DISABLE", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    return {**kept, "PATH": path, "PIP_CONSTRAINT": constraints, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def test_pages_are_followed_from_a_new_package_to_its_wheel(environment, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    writing, testing, publishing = PAGES
    follow(writing, folder, environment)
    package = folder / "cthulhu-slack"
    follow(testing, package, environment)
    follow(publishing, package, environment)
    assert sorted(path.suffix for path in (package / "dist").iterdir()) == [".gz", ".whl"]


def test_nothing_but_the_upload_is_left_out():
    left_out = [block for page in PAGES for block in all_blocks(page) if block.title.startswith(NOT_RUN)]
    assert [block.title for block in left_out] == [f"{NOT_RUN}: it uploads"]
    assert "twine upload" in left_out[0].text
