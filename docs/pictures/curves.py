"""The pictures with curves, each drawn from a training with its callback."""

from __future__ import annotations

import csv
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from style import LINE, MARK, RATE, TRAINING, VALIDATION, drawing, save, styled, text
from trainings import fit_line, sgd, train

from cthulhu.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LearningRateScheduler,
    LuKthuCallback,
    LumpCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Pile


class Batches(Callback):
    """Keeps the loss of each batch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_batch_end(self, batch: int, logs: dict[str, Any], /) -> None:
        self.losses.append(logs["loss"])


def _losses(axes: Axes, history: History, *names: str) -> None:
    for name in names or ("loss", "val_loss"):
        label, colour = ("validation", VALIDATION) if name.startswith("val_") else ("training", TRAINING)
        axes.plot([epoch + 1 for epoch in history.epochs_of(name)], history.history[name], color=colour, label=label)
    axes.set(xlabel="epoch", ylabel="loss")


def history() -> None:
    """The figure of ``history.plot()``."""
    recorded = train([], epochs=30)
    with styled():
        figure = recorded.plot()
        figure.set_size_inches(8, 3.4)
        save(figure, "History")


def base_logger() -> None:
    """The losses of batches, and the averages of epochs."""
    batches = Batches()
    recorded = train([batches], epochs=6, samples=1000, batch_size=64)
    steps = len(batches.losses) // 6
    with drawing("BaseLogger") as figure:
        axes = figure.subplots()
        axes.plot(np.arange(len(batches.losses)) / steps, batches.losses, ".", color=LINE, label="loss of a batch")
        axes.hlines(
            recorded.history["loss"], range(6), range(1, 7), color=TRAINING, linewidth=3, label="loss in on_epoch_end"
        )
        axes.set(xlabel="epochs trained", ylabel="loss")
        axes.legend()


def csv_logger() -> None:
    """A CSV file and its curves."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.csv")
        train([CSVLogger(log)], epochs=12)
        lines = log.read_text().splitlines()
        rows = list(csv.DictReader(lines))
    short = [re.sub(r"(\d\.\d{4})\d+", r"\1…", line) for line in lines[:9]]
    with drawing("CSVLogger") as figure:
        file, axes = figure.subplots(1, 2, width_ratios=[1.25, 1])
        text(file, ["run/log.csv", "", *short, "…"], size=11)
        for name, label in (("acc", "acc"), ("val_acc", "val_acc")):
            axes.plot([int(row["epoch"]) for row in rows], [float(row[name]) for row in rows], label=label)
        axes.set(xlabel="epoch (from 0)")
        axes.legend()


def early_stopping() -> None:
    """The best epoch, and the epoch in which training stopped."""
    stop = EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True)
    recorded = train([stop], epochs=200, samples=150, optimizer=sgd(0.15), batch_size=50)
    best, last = (stop.best_epoch or 0) + 1, len(recorded.epoch)
    with drawing("EarlyStopping") as figure:
        axes = figure.subplots()
        _losses(axes, recorded)
        axes.axvspan(best, last, color=VALIDATION, alpha=0.12, linewidth=0)
        axes.plot(best, stop.best, "o", color=MARK, markersize=8)
        axes.annotate(
            f"best: epoch {best}\nweights restored from here", (best, stop.best), (10, 40), textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": LINE},
        )  # fmt: skip
        axes.text(last, axes.get_ylim()[1], f"patience=8: stopped after epoch {last} ", ha="right", va="top")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.36, 1))


def _rate_and_loss(name: str, recorded: History, rates: str, **losses: Any) -> None:
    epochs = [epoch + 1 for epoch in recorded.epoch]
    with drawing(name, height=4.2) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
        _losses(above, recorded)
        above.set(xlabel="", **losses)
        above.legend()
        below.step(epochs, recorded.history["lr"], where="mid", color=RATE)
        below.set(xlabel="epoch", ylabel="lr", yscale=rates)


def reduce_lr() -> None:
    """The rate falls when the loss stops improving."""
    reduce = ReduceLROnPlateau(monitor="val_loss", factor=0.3, patience=5, min_delta=2e-4, min_lr=1e-3)
    recorded = fit_line([reduce], rate=0.095, epochs=40)
    # The loss of the first epoch is so large that it would flatten the rest of the curve.
    _rate_and_loss("ReduceLROnPlateau", recorded, "log", ylim=(0.008, 0.019))


def scheduler() -> None:
    """A warm-up and a half-cosine decay."""
    warm, epochs, highest = 5, 40, 0.2

    def schedule(epoch: int) -> float:
        if epoch < warm:
            return highest * (epoch + 1) / warm
        return highest * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm))) / 2

    recorded = train([LearningRateScheduler(schedule)], epochs=epochs, optimizer=sgd(0.1), samples=600)
    _rate_and_loss("LearningRateScheduler", recorded, "linear", yscale="log")


def checkpoint() -> None:
    """The saved epochs, the files, and the content of one file."""
    with tempfile.TemporaryDirectory() as folder:
        saves = LumpCheckpoint(Path(folder, "{epoch:02d}-{val_loss:.3f}.h5"), save_best_only=True, keep=3)
        # An epoch was saved if it was the best one so far.
        recorded = train([saves], epochs=30, samples=200, optimizer=sgd(0.1), batch_size=20)
        files = sorted(Path(folder).iterdir())
        listing = ["run/", *(f"  {file.name}   {file.stat().st_size / 1024:.0f} KiB" for file in files)]
        with h5py.File(files[-1]) as file:
            listing += ["", files[-1].name, *_tree(file)]
    values = recorded.history["val_loss"]
    best = [epoch for epoch, value in enumerate(values) if value < min(values[:epoch], default=math.inf)]
    with drawing("LumpCheckpoint", height=3.8) as figure:
        axes, files_ = figure.subplots(1, 2, width_ratios=[1.35, 1])
        _losses(axes, recorded, "val_loss")
        axes.plot([e + 1 for e in best[:-3]], [values[e] for e in best[:-3]], "o", color=LINE, label="saved, removed")
        axes.plot([e + 1 for e in best[-3:]], [values[e] for e in best[-3:]], "o", color=MARK, label="saved, kept")
        axes.set(yscale="log")
        axes.legend()
        text(files_, listing, size=9.5)


def _tree(file: h5py.File) -> list[str]:
    """Return the groups and arrays of a file, down to the arrays of weights."""
    lines = []

    def visit(name: str, item: Any) -> None:
        depth = name.count("/")
        if name.startswith("model_weights") and depth < 4:
            shape = f"  {item.shape}" if isinstance(item, h5py.Dataset) else ""
            lines.append("  " * (depth + 1) + name.rpartition("/")[2] + shape)
        elif depth == 0:
            lines.append("  " + name)

    file.visititems(visit)
    return lines


def terminate() -> None:
    """A training that diverges, and the batch after which it stopped."""
    batches = Batches()
    fit_line([batches, TerminateOnNaN()], rate=0.35, epochs=20)
    losses = batches.losses
    with drawing("TerminateOnNaN") as figure:
        axes = figure.subplots()
        axes.plot(range(len(losses)), losses, color=TRAINING, label="loss of a batch")
        axes.axvline(len(losses) - 1, color=MARK, linestyle="--")
        axes.set(xlabel="batch", ylabel="loss", yscale="log")
        axes.annotate(
            f"batch {len(losses) - 1}: loss is {losses[-1]}, training ends",
            (len(losses) - 1, axes.get_ylim()[0]), (-8, 14), textcoords="offset points", ha="right", color=MARK,
        )  # fmt: skip
        axes.legend(loc="upper left")
        axes.set_xlim(0, len(losses) + 1)


def lukthu() -> None:
    """Drawings of a function at the end of some epochs: where the model says yes."""
    torch.manual_seed(3)
    points = torch.rand(1500, 2) * 2 - 1
    inside = ((points.norm(dim=1) < 0.8) & (points.norm(dim=1) > 0.4)).float()[:, None]
    grid = np.linspace(-1, 1, 121, dtype="float32")
    plane = torch.tensor(np.stack(np.meshgrid(grid, grid), axis=-1)).reshape(-1, 2)
    shown = [1, 10, 30, 100]
    colours = LinearSegmentedColormap.from_list("", [VALIDATION, "#f4d9c3", "#bfe7e1", TRAINING])
    with drawing("LuKthuCallback", width=8, height=2.5) as figure:
        axes = dict(zip(shown, figure.subplots(1, 4), strict=True))

        def draw(epoch: int, logs: dict[str, float]) -> None:
            if epoch + 1 in axes:
                answer = model.predict(plane, verbose=0).reshape(len(grid), -1)
                axes[epoch + 1].imshow(answer, cmap=colours, vmin=0, vmax=1, interpolation="none", origin="lower")
                axes[epoch + 1].set(title=f"epoch {epoch + 1}, acc {logs['acc']:.2f}", xticks=(), yticks=())

        model = Pile([Daoloth(24, input_dim=2, activation="tanh"), Daoloth(24, activation="tanh"), Daoloth(1)])
        model.add(Azatoth("sigmoid"))
        model.conjure(lambda weights: torch.optim.Adam(weights, lr=0.01), "binary_crossentropy", metrics=["acc"])
        model.summon(points, inside, epochs=100, verbose=0, callbacks=[LuKthuCallback(on_epoch_end=draw)])


CURVES = (
    base_logger, checkpoint, csv_logger, early_stopping, history, lukthu, reduce_lr, scheduler, terminate,
)  # fmt: skip
