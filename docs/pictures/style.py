"""How the drawings look: one style for all, to be read on light and dark pages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
TEXT, LINE = "#7b818a", "#9aa0a8"
TRAINING, VALIDATION, RATE, MARK = "#12a594", "#e5803a", "#7b6fd6", "#e0506a"

SETTINGS: dict[str, Any] = {
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": TEXT,
    "axes.prop_cycle": mpl.cycler(color=[TRAINING, VALIDATION, RATE, MARK]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 12,
    "font.size": 11,
    "grid.alpha": 0.35,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
    "lines.linewidth": 2,
    "savefig.transparent": True,
    # Text stays text, drawn in a font of whoever looks; and the same training makes the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "cthulhu",
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of this site."""
    with mpl.rc_context(SETTINGS):
        yield


@contextlib.contextmanager
def drawing(name: str, width: float = 8, height: float = 3.4) -> Iterator[Figure]:
    """A figure, saved as the picture of ``name`` when it is drawn."""
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        save(figure, name)


def save(figure: Figure, name: str) -> None:
    """Save the picture of a callback."""
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None, "Creator": None})


def text(axes: Axes, lines: list[str], size: float = 10) -> None:
    """Fill a part of a figure with lines of a file, or of a terminal."""
    axes.axis("off")
    # SVG makes one space of many.
    kept = "\n".join(lines).replace(" ", "\N{NO-BREAK SPACE}")
    axes.text(0, 1, kept, family="monospace", size=size, va="top", linespacing=1.45, transform=axes.transAxes)
