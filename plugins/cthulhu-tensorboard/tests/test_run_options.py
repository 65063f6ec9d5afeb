"""The arguments of conjure and summon: as text, and as TensorBoard itself reads hyperparameters."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from cthulhu.callbacks import TensorBoard
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Run


@pytest.fixture
def hparams(log_dir):
    """``hparams("session_groups", ...)``: what TensorBoard's server answers to its hparams tab."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what tensorboard brings along
        from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin

    def hparams(what, **request):
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(log_dir)).Reload()
        provider = MultiplexerDataProvider(multiplexer, str(log_dir))
        plugin = HParamsPlugin(TBContext(logdir=str(log_dir), multiplexer=multiplexer, data_provider=provider))
        return Client(plugin.get_plugin_apps()[f"/{what}"]).post("/", json=request).json

    return hparams


@pytest.fixture
def sessions(hparams):
    """``sessions()``: the rows of the hparams tab by the name of their run."""

    def sessions():
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        answer = hparams("session_groups", allowedStatuses=statuses, sliceSize=100)
        return {group["sessions"][0]["name"]: group for group in answer.get("sessionGroups", [])}

    return sessions


def test_first_five_hyperparameters_are_those_that_tell_most(data, log_dir, hparams):
    model = Pile([Daoloth(1, input_dim=data[0].shape[1], activation="sigmoid")])
    model.conjure("adam", "binary_crossentropy", metrics=["acc"])
    model.summon(*data, batch_size=16, verbose=0, callbacks=[TensorBoard(log_dir)])
    names = [info["name"] for info in hparams("experiment", includeMetrics=True)["hparamInfos"]]
    assert names[:5] == ["batch_size", "loss", "metrics", "optimizer", "optimizer/lr"]
    assert len(names) == len(set(names)) > 10


def metrics(group):
    return {each["name"]["tag"]: (each["trainingStep"], each["value"]) for each in group["metricValues"]}


def test_hparams_tab_shows_what_was_told_and_the_values_of_the_curves(train, model, data, log_dir, sessions, points):
    train(model, TensorBoard(log_dir), validation_data=data)
    found = sessions()
    assert set(found) == {"train", "validation"}
    for folder, group in found.items():
        assert group["sessions"][0]["status"] == "STATUS_SUCCESS"
        options = {name: value for name, value in group["hparams"].items() if name.startswith("optimizer/")}
        assert (options["optimizer/lr"], options["optimizer/momentum"], options["optimizer/nesterov"]) == (
            0.01,
            0,
            False,
        )
        assert {name: value for name, value in group["hparams"].items() if name not in options} == {
            "optimizer": "SGD", "loss": "binary_crossentropy", "metrics": "acc", "batch_size": 16, "epochs": 2,
            "steps": 4, "samples": 64, "verbose": 0, "do_validation": True, "initial_epoch": 0,
            "accumulate": 1, "jit_compile": False,
        }  # fmt: skip
        assert metrics(group) == {tag: points(folder, tag)[-1] for tag in ("epoch_loss", "epoch_acc")}


@pytest.mark.parametrize("error", [RuntimeError("disk on fire"), KeyboardInterrupt()], ids=str)
def test_session_that_fails_says_so(train, model, log_dir, sessions, error, calls):
    def fail(batch, logs):
        raise error

    with pytest.raises(type(error)):
        train(model, [TensorBoard(log_dir), calls(on_batch_end=fail)])
    assert sessions()["train"]["sessions"][0]["status"] == "STATUS_FAILURE"


def test_session_that_is_under_way_has_no_end(train, model, log_dir, sessions, calls):
    seen = []
    watch = calls(on_epoch_end=lambda epoch, logs: seen.append(sessions()["train"]["sessions"][0]["status"]))
    train(model, [TensorBoard(log_dir), watch])
    assert seen == ["STATUS_UNKNOWN"] * 2


def text(read, tag):
    (event,) = read("train").Tensors(f"{tag}/text_summary")
    return event.tensor_proto.string_val[0].decode()


def test_text_says_what_was_told(train, model, log_dir, read):
    train(model, TensorBoard(log_dir))
    assert text(read, "summon").splitlines() == [
        "| | |", "|---|---|", "| batch_size | 16 |", "| epochs | 2 |", "| steps | 4 |", "| samples | 64 |",
        "| verbose | 0 |", "| do_validation | False |", "| initial_epoch | 0 |", "| metrics | loss, acc |",
    ]  # fmt: skip
    assert "| loss | binary_crossentropy |" in text(read, "conjure").splitlines()


class Scored:
    """A metric that was given a secret, and a name with letters that mean something in a table."""

    def __init__(self, token="s3cret"):
        self.token = token
        self.name = "scored"

    def __call__(self, outputs, targets):
        return outputs.mean()


def half(outputs, targets):
    return outputs.mean() / 2


def test_objects_and_functions_are_named_and_their_secrets_are_not(data, train, log_dir, read, sessions):
    model = Pile([Daoloth(1, input_dim=3)])
    optimizer = torch.optim.Adam([{"params": model.parameters(), "token": "s3cret"}], lr=0.25, betas=(0.5, 0.75))
    model.conjure(optimizer, torch.nn.HuberLoss(delta=2.0), metrics=[half, Scored()])
    train(model, TensorBoard(log_dir))
    found = sessions()["train"]["hparams"]
    assert found["loss"] == "HuberLoss"
    assert found["metrics"] == "half, Scored"
    assert (found["optimizer"], found["optimizer/lr"], found["optimizer/betas"]) == ("Adam", 0.25, "0.5, 0.75")
    assert all(b"s3cret" not in path.read_bytes() for path in log_dir.rglob("*tfevents*"))


def test_weights_of_losses_and_names_of_outputs_are_told(log_dir, sessions):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, x):
            return self.layer(x), -self.layer(x)

    model = Lump(Two())
    model.conjure("sgd", ["mse", "mae"], loss_weights=[1.0, 0.25])
    y = torch.zeros(8, 1)
    model.summon(torch.zeros(8, 3), [y, y], verbose=0, callbacks=TensorBoard(log_dir))
    found = sessions()["train"]["hparams"]
    assert (found["loss"], found["loss_weights"]) == ("mse, mae", "1, 0.25")


def test_loop_of_ones_own_tells_its_optimizer_and_shows_all_its_curves(log_dir, sessions, caplog):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    tensorboard = TensorBoard(log_dir, write_graph=False)
    with caplog.at_level(logging.WARNING), Run(model, optimizer, callbacks=tensorboard) as run:
        for _ in run.epochs():
            for value in run.batches([0.5, 1.0]):
                run.record(distance=value)
    found = sessions()["train"]
    assert found["hparams"]["optimizer/lr"] == 0.5
    assert metrics(found) == {"epoch_distance": (0, 0.75), "epoch_lr": (0, 0.5)}
    assert caplog.records == []
