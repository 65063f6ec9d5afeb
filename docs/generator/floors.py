"""The picture of the floors of ``cthulhu_core``, drawn from the contract that import-linter checks."""

from __future__ import annotations

import ast
import sys
from html import escape
from pathlib import Path
from typing import Any

import cthulhu_core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONTRACT = "Floors of cthulhu_core"
WIDTH, HEIGHT, GAP, LEFT = 860, 44, 8, 30
COLOURS = ("#7b6fd6", "#12a594", "#e5803a")


def layers(root: Path) -> list[list[str]]:
    """Return the modules of each floor, from the top, as ``pyproject.toml`` in ``root`` lists them."""
    settings: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [each for each in settings["tool"]["importlinter"]["contracts"] if each["name"] == CONTRACT]
    return [line.split(" | ") for line in contract["layers"]]


def summary(module: str) -> str:
    """Return the first line of the docstring of a module of the installed core, without importing it."""
    folder = Path(cthulhu_core.__file__).parent
    file = folder / module / "__init__.py" if (folder / module).is_dir() else folder / f"{module}.py"
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("``", "").rstrip(".")


def picture(floors: list[list[str]]) -> str:
    """Return the floors as an SVG, with an arrow for the direction of imports."""
    bottom = len(floors) * (HEIGHT + GAP)
    shapes = []
    for number, modules in enumerate(floors):
        y, colour = number * (HEIGHT + GAP), COLOURS[min(number * 3 // len(floors), 2)]
        box = f'x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 1}" height="{HEIGHT}" rx="8"'
        names = " · ".join(modules)
        text = summary(modules[0]) if len(modules) == 1 else "Modules that import nothing from the core"
        shapes.append(
            f'<g class="floor"><rect {box} fill="{colour}" fill-opacity=".1" stroke="{colour}" stroke-width="1.6"/>'
            f'<text x="{LEFT + 16}" y="{y + 27}" font-family="ui-monospace, monospace" font-weight="600">'
            f"{escape(names)}</text>"
            f'<text x="{LEFT + 230}" y="{y + 27}">{escape(text)}</text></g>'
        )
    arrow = f'<path d="M12 6V{bottom - GAP - 6}m-6 -9 6 9 6-9" fill="none" stroke="#9aa0a8" stroke-width="1.6"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom - GAP + 1}" role="img" '
        'aria-label="The floors of cthulhu_core, from the command line down to modules that import nothing" '
        'font-family="system-ui, sans-serif" font-size="13.5" fill="currentColor">'
    )
    # In a block of HTML, which Markdown leaves alone.
    return f'<div class="floors">{head}{arrow}{"".join(shapes)}</svg></div>'
