"""The picture of the floors shows the contract that import-linter checks."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path

import cthulhu_core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


def contract() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["name"] == "Floors of cthulhu_core"]
    return [layer.replace(" | ", " · ") for layer in layers]


def test_picture_shows_every_floor_of_the_contract_in_its_order(built: Path) -> None:
    html = (built / "contributing" / "architecture.html").read_text(encoding="utf-8")
    (svg,) = re.findall(r'<div class="floors"><svg.*?</svg></div>', html, re.DOTALL)
    floors = re.findall(r'<g class="floor">.*?<text[^>]*>(.*?)</text><text[^>]*>(.*?)</text>', svg, re.DOTALL)
    assert [unescape(names) for names, _ in floors] == contract()
    # A line of the picture has room for so many characters, and nothing but text may be in it.
    assert all(20 < len(text) < 90 and "<" not in text for _, text in floors)


def test_contract_names_every_module_of_the_core() -> None:
    folder = Path(cthulhu_core.__file__).parent
    modules = {each.stem for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()}
    assert {name for layer in contract() for name in layer.split(" · ")} == modules - {"__init__"}
