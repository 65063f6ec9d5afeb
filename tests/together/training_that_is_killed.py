"""A training that a test kills and resumes: ``python training_that_is_killed.py FOLDER SEED KILLS``.

It imports everything once, and forks: a child trains, is killed at a random batch and moment, and a second child goes
on from the newest checkpoint, until one reaches the end. Prints what the training without a kill, and each of the
``KILLS`` others, ended with, as a line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from cthulhu.callbacks import Callback, CSVLogger, EarlyStopping, LumpCheckpoint, ReduceLROnPlateau, TensorBoard
from cthulhu.layers import Daoloth
from cthulhu.models import Pile

EPOCHS, STEPS, SAVE_EVERY = 8, 10, 3


class Tell(Callback):
    """Tells the parent, by a byte, that a batch begins."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        os.write(self.pipe, b".")


def new_model() -> Pile:
    """Dropout, statistics of batches, momentum."""
    model = Pile([Daoloth(16, input_dim=8, activation="relu"), nn.BatchNorm1d(16), nn.Dropout(0.3), Daoloth(1)])
    model.conjure(lambda weights: torch.optim.SGD(weights, lr=0.03, momentum=0.9), "mse", metrics=["acc"])
    return model


def train(folder: Path, pipe: int) -> dict[str, Any]:
    """Train to the end, from the newest checkpoint if there is one."""
    checkpoints = folder / "checkpoints"
    resumed = any(checkpoints.glob("*.h5"))
    # A resumed process begins with other generators than the first one did.
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(time.time_ns() % 2**32 if resumed else 0)
    data = np.random.default_rng(1)
    x = data.normal(size=(200, 8)).astype("float32")
    y = (x[:, :4].sum(1) + data.normal(size=200) > 0).astype("float32")
    model = new_model()
    stop = EarlyStopping(patience=2, restore_best_weights=True)
    reduce = ReduceLROnPlateau(patience=1, factor=0.5, min_delta=0.01)
    checkpoint = LumpCheckpoint(checkpoints / "{epoch:02d}.h5", save_every=SAVE_EVERY, keep=2)
    history = model.summon(
        x, y, batch_size=16, epochs=EPOCHS, verbose=0, validation_split=0.2,
        callbacks=[
            Tell(pipe), stop, reduce, CSVLogger(folder / "log.csv"),
            TensorBoard(folder / "logs", update_freq="batch"), checkpoint,
        ],
        resume_from=checkpoints if resumed else None,
    )  # fmt: skip
    return {
        "history": history.history,
        "epochs": history.epoch,
        "weights": digest(model.state_dict()),
        "optimizer": digest({**model.optimizer.state_dict()["state"]}),
        "groups": model.optimizer.state_dict()["param_groups"],
        "stop": {**stop.state_dict(), "best_weights": digest(stop.best_weights)},
        "reduce": reduce.state_dict(),
        "best": checkpoint.best,
        "files": sorted(file.name for file in checkpoints.iterdir()),
        "csv": (folder / "log.csv").read_text(),
        "curves": curves(folder / "logs"),
        "random": [torch.rand(1).item(), random.random(), np.random.rand()],
    }


def curves(logs: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of all curves that TensorBoard shows."""
    found = {}
    for folder in sorted(logs.iterdir()):
        events = EventAccumulator(str(folder)).Reload()
        for tag in events.Tags()["scalars"]:
            found[f"{folder.name}/{tag}"] = [(event.step, event.value) for event in events.Scalars(tag)]
    return found


def digest(state: Any) -> str:
    """A hash of the bits of all tensors."""
    if isinstance(state, torch.Tensor):
        return hashlib.sha256(state.numpy().tobytes()).hexdigest()
    if isinstance(state, dict):
        return hashlib.sha256(json.dumps([[str(k), digest(v)] for k, v in state.items()]).encode()).hexdigest()
    return repr(state)


def in_a_child(folder: Path, batches: int | None, delay: float) -> bool:
    """Train in a child, and kill it ``delay`` seconds after so many batches; gives whether it reached the end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            (folder / "outcome.json").write_text(json.dumps(train(folder, write)))
        except BaseException:  # noqa: BLE001 - the parent learns of it by the status
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    os.close(write)
    if batches is not None:
        begun = 0
        while begun < batches and (told := os.read(read, 1)):
            begun += len(told)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    else:
        while os.read(read, 4096):
            pass
    os.close(read)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"the training failed with status {status}")
    return status == 0


def main(folder: Path, seed: int, kills: int) -> None:
    """Print the outcomes."""
    chosen = random.Random(seed)
    # What these import, no child needs to.
    new_model().save(folder / "warm-up.h5")
    import cthulhu_tensorboard.events  # noqa: F401

    # That there is a second graph, where the first training was killed before it could be resumed.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)

    for number in range(kills + 1):
        place = folder / str(number)
        # Most are killed once, every third one again and again while it goes on. The first one is left alone.
        times = 0 if number == 0 else 1 if number % 3 else 3
        moments = killed(place, times, chosen)
        while times and not moments:  # it was faster than the kill
            shutil.rmtree(place)
            moments = killed(place, times, chosen)
        outcome = json.loads((place / "outcome.json").read_text())
        print(json.dumps({"moments": moments, "outcome": outcome}), flush=True)  # noqa: T201


def killed(place: Path, times: int, chosen: random.Random) -> list[tuple[int, float]]:
    """Train to the end in ``place``, killed so many times if it does not get there before; gives when it was."""
    place.mkdir()
    batches = EPOCHS * STEPS // max(times, 1)
    moments = [(chosen.randint(1, batches), chosen.uniform(0, 0.03)) for _ in range(times)]
    for number, moment in enumerate(moments):
        if in_a_child(place, *moment):
            return moments[:number]
    in_a_child(place, None, 0.0)
    return moments


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
