"""A training that is stopped after some epochs and resumed, here or in another process: ``python training.py FILE``."""

from __future__ import annotations

import hashlib
import json
import sys

import torch

from cthulhu.callbacks import Callback, ReduceLROnPlateau
from cthulhu_core import Run

EPOCHS = 24


class Validate(Callback):
    """Logs the loss on data that training does not see."""

    def on_epoch_end(self, epoch, logs):
        with torch.no_grad():
            logs["val_loss"] = loss_of(self.model, 99).item()


def loss_of(model, seed):
    generator = torch.Generator().manual_seed(seed)
    x, noise = (torch.randn(16, width, generator=generator) for width in (8, 1))
    return torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True) + noise)


def train(epochs=EPOCHS, state=None, initial_epoch=0):
    """Train from the start, or from ``state``; gives the state at the end and what happened."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 1)
    groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.1}]
    optimizer = torch.optim.SGD(groups, lr=0.2, momentum=0.5)
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=2, cooldown=3, min_delta=0.01, min_lr=0.01)
    with Run(model, optimizer, epochs, [Validate(), reduce_lr], initial_epoch=initial_epoch) as run:
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            reduce_lr.load_state_dict(state["reduce_lr"])
        for epoch in run.epochs():
            for seed in run.batches([2 * epoch, 2 * epoch + 1]):
                optimizer.zero_grad()
                loss_of(model, seed).backward()
                optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "reduce_lr": reduce_lr.state_dict()}
    return state, outcome(reduce_lr, model, run)


def outcome(reduce_lr, model, run):
    """Everything that a resumed training must agree in, as JSON can hold it."""
    return {
        "best": reduce_lr.best,
        "wait": reduce_lr.wait,
        "cooldown_counter": reduce_lr.cooldown_counter,
        "lr": [group["lr"] for group in run.optimizer.param_groups],
        "weights": hashlib.sha256(model.weight.detach().numpy().tobytes()).hexdigest(),
        "last epochs": run.history.history.get("lr", [])[-3:],
    }


if __name__ == "__main__":
    saved = torch.load(sys.argv[1], weights_only=True)
    sys.stdout.write(json.dumps(train(state=saved["state"], initial_epoch=saved["epochs"])[1]))
