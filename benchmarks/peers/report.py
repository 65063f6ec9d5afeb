"""Write docs/benchmarks.md and its pictures from the measurements."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import torch
from compare import LONG, OPTIONS, TRAINERS, Cell
from works import WORKS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
sys.path.append(str(ROOT / "docs" / "pictures"))

Cells = Mapping[tuple[str, str], Mapping[str, Cell]]

_COLORS = ("#9aa0a8", "#12a594", "#e0506a", "#7b6fd6", "#e5803a", "#4a90d9")
_PEERS = {"keras": "Keras", "lightning": "Lightning", "pytorch-ignite": "ignite", "skorch": "skorch"}


def write(cells: Cells, imports: Mapping[str, float], peaks: Mapping[str, float], device: str, rounds: int) -> None:
    """Write the page and draw its pictures."""
    names = [name for name in WORKS if (name, "5 callbacks") in cells]
    template = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))
    page = template.substitute(
        steps=_table(["5 callbacks, arrays", *TRAINERS.values()], [_row(cells, name, "5 callbacks") for name in names]),
        callbacks=_table(
            ["callbacks", *TRAINERS.values()],
            [[f"{WORKS[names[0]].title}, {n}", *_row(cells, names[0], f"{n} callbacks")[1:]] for n in (0, 5, 20)],
        ),
        loader=_table(
            ["5 callbacks, DataLoader", *TRAINERS.values()], [_row(cells, name, "DataLoader") for name in names]
        ),
        options=_options(cells),
        start=_table(
            ["", *TRAINERS.values()],
            [
                ["a training, once", *(f"{_start(cells, names, each) * 1e3:.0f} ms" for each in TRAINERS)],
                ["import, after torch", *(f"{imports[t] * 1e3:.0f} ms" if t in imports else "" for t in TRAINERS)],
                ["peak memory", *(f"{peaks[each]:.0f} MiB" for each in TRAINERS)],
            ],
        ),
        absolute=", ".join(
            f"{WORKS[name].title} {cells[name, '5 callbacks']['by_hand'].microseconds:.0f} us" for name in names
        ),
        machine=_machine(device),
        versions=", ".join(f"{title} {version(name)}" for name, title in _PEERS.items()),
        rounds=rounds,
        epochs=LONG,
        date=datetime.now(timezone.utc).strftime("%d %B %Y"),
    )
    PAGE.write_text(page, encoding="utf-8")
    _draw(cells, names)


def _row(cells: Cells, name: str, title: str) -> list[str]:
    found = cells[name, title]
    return [WORKS[name].title, *(f"{found[each].multiple:.2f}" if each in found else "-" for each in TRAINERS)]


def _start(cells: Cells, names: list[str], trainer: str) -> float:
    return max(0.0, cells[names[0], "5 callbacks"][trainer].start)  # A difference of times: noise may make it negative.


def _options(cells: Cells) -> str:
    rows = [
        [f"`{title}`", f"{cells['mlp', title]['with_cthulhu'].multiple:.2f}"]
        for title in OPTIONS
        if ("mlp", title) in cells
    ]
    return _table(["MLP, option of `conjure`", "cthulhu, beside the same by hand"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine(device: str) -> str:
    where = f"{torch.cuda.get_device_name()}" if device == "cuda" else f"{_processor()}, one thread"
    return f"{where}, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _draw(cells: Cells, names: list[str]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter
    from style import FOLDER, styled

    with styled():
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        axes: Any = figure.subplots()
        width = 0.8 / len(TRAINERS)
        for number, (trainer, title) in enumerate(TRAINERS.items()):
            heights = [cells[name, "5 callbacks"][trainer].multiple for name in names]
            places = [at + (number - len(TRAINERS) / 2 + 0.5) * width for at in range(len(names))]
            axes.bar(places, heights, width, label=title, color=_COLORS[number])
        axes.set_yscale("log")
        axes.set_yticks([1, 2, 4, 8])
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
        axes.set_xticks(range(len(names)), [_wrapped(WORKS[name].title) for name in names])
        axes.set(ylabel="time of a step, by hand = 1", ylim=(0.8, 11))
        axes.grid(visible=False, axis="x")
        axes.legend(ncols=len(TRAINERS), loc="upper right")
        figure.savefig(FOLDER / "benchmarks-steps.png", dpi=150)

        figure = Figure(figsize=(9, 3.4), layout="constrained")
        axes = figure.subplots()
        for number, (trainer, title) in enumerate(TRAINERS.items()):
            steps = [cells[names[0], f"{count} callbacks"][trainer].microseconds for count in (0, 5, 20)]
            axes.plot([0, 5, 20], steps, label=title, color=_COLORS[number], marker="o", markersize=4)
        axes.set(xlabel="callbacks that read the loss of every batch", ylabel="microseconds per step", ylim=(0, None))
        axes.set_title(WORKS[names[0]].title)
        axes.set_xticks([0, 5, 20])
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(FOLDER / "benchmarks-callbacks.png", dpi=150)


def _wrapped(title: str) -> str:
    """Return a title on two lines."""
    return title.replace("(", "\n(", 1) if "(" in title else title.replace(" ", "\n", 1)
