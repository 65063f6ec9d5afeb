"""A training that is stopped after some epochs and resumed, here or in another process: ``python training.py FILE``."""

from __future__ import annotations

import hashlib
import json
import sys

import torch

from cthulhu.callbacks import Callback, EarlyStopping
from cthulhu_core import Run

EPOCHS = 30


class Validate(Callback):
    """Logs the loss on data that training does not see: with so few samples it falls, and then rises."""

    def on_epoch_end(self, epoch, logs):
        with torch.no_grad():
            logs["val_loss"] = loss_of(self.model, 99).item()


def loss_of(model, seed):
    generator = torch.Generator().manual_seed(seed)
    x, noise = (torch.randn(16, width, generator=generator) for width in (8, 1))
    return torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True) + 2 * noise)


def train(epochs=EPOCHS, state=None, initial_epoch=0):
    """Train from the start, or from ``state``; gives the state at the end and what happened."""
    torch.manual_seed(0)
    layers = (torch.nn.Linear(8, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    stop = EarlyStopping(patience=4, restore_best_weights=True)
    with Run(model, optimizer, epochs, [Validate(), stop], initial_epoch=initial_epoch) as run:
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            stop.load_state_dict(state["stop"])
        for epoch in run.epochs():
            for seed in run.batches([2 * epoch % 4, 2 * epoch % 4 + 1]):
                optimizer.zero_grad()
                loss_of(model, seed).backward()
                optimizer.step()
        # Before train_end, where a checkpoint is written.
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "stop": stop.state_dict()}
        state = {name: torch.utils._pytree.tree_map(copied, part) for name, part in state.items()}
    return state, outcome(stop, model, run)


def copied(value):
    return value.clone() if isinstance(value, torch.Tensor) else value


def outcome(stop, model, run):
    """Everything that a resumed training must agree in, as JSON can hold it."""
    return {
        "last epoch": run.history.epoch[-1] if run.history.epoch else run.initial_epoch - 1,
        "best": stop.best,
        "best_epoch": stop.best_epoch,
        "wait": stop.wait,
        "stopped": stop.stopped,
        "stopped_epoch": stop.stopped_epoch,
        "weights": digest(model.state_dict()),
        "best_weights": digest(stop.best_weights),
    }


def digest(weights):
    data = b"".join(name.encode() + value.numpy().tobytes() for name, value in (weights or {}).items())
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    saved = torch.load(sys.argv[1], weights_only=True)
    sys.stdout.write(json.dumps(train(state=saved["state"], initial_epoch=saved["epochs"])[1]))
