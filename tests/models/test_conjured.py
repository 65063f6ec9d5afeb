"""What conjure was told as plain data: a model that is told it again trains and measures as before."""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.models.serialization.allowed import OPTIMIZERS
from cthulhu_core.models.training_config import conjure, describe
from cthulhu_core.training.metrics import binary_accuracy
from cthulhu_core.training.options import Options

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")


def model() -> Pile:
    torch.manual_seed(0)
    return Pile([Daoloth(4, input_dim=3, activation="tanh"), Daoloth(2, activation="softmax")])


def conjured(optimizer: Any = "sgd", loss: Any = "sparse_categorical_crossentropy", **told: Any) -> Pile:
    made = model()
    made.conjure(optimizer(made.parameters()) if isinstance(optimizer, partial) else optimizer, loss, **told)
    return made


def told_again(given: Lump, custom_objects: dict[str, Any] | None = None) -> Pile:
    """A new model that is told, by way of text, what ``given`` was."""
    text, tensors = pack(describe(given))
    other = model()
    conjure(other, unpack(text, tensors), custom_objects)
    return other


def own_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return functional.nll_loss(output.log(), target)


def own_metric(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return output.max()


def own_optimizer(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.25)


class OwnLoss(nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.factor * own_loss(output, target)


class OwnSGD(torch.optim.SGD):
    def __init__(self, params: Any, lr: float = 0.5, steps: int = 1) -> None:
        super().__init__(params, lr=lr)
        self.steps = steps


# --- not conjured, by name --------------------------------------------------------------------------------------------


def test_model_that_was_told_nothing_has_nothing_to_describe() -> None:
    assert describe(model()) is None


def test_names_are_kept_as_they_are() -> None:
    given = conjured("Adam", metrics=["acc", "mse"])
    assert describe(given) == {
        "optimizer": {"name": "Adam"},
        "loss": {"name": "sparse_categorical_crossentropy"},
        "metrics": {"list": [{"name": "acc"}, {"name": "mse"}]},
        "loss_weights": None,
        "options": {"plain": asdict(Options())},
    }
    other = told_again(conjured("Adam", metrics=["acc"]))
    assert type(other.optimizer) is torch.optim.Adam
    assert other.optimizer.defaults["eps"] == 1e-7
    assert other.metrics_names == ["loss", "acc"]


def test_training_goes_on_as_it_would_have() -> None:
    given = conjured(partial(torch.optim.Adam, lr=0.1, amsgrad=True), metrics=["acc"])
    given.summon(X, Y, verbose=0, shuffle=False)
    other = told_again(given)
    other.load_state_dict(given.state_dict())
    other.optimizer.load_state_dict(copy.deepcopy(given.optimizer.state_dict()))
    histories = [each.summon(X, Y, epochs=2, verbose=0, shuffle=False).history for each in (given, other)]
    assert histories[0] == histories[1]
    assert all(torch.equal(a, b) for a, b in zip(given.parameters(), other.parameters(), strict=True))


# --- optimizers -------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "ASGD": {"lr": 0.1, "lambd": 0.2, "alpha": 0.5, "t0": 10.0, "weight_decay": 0.1},
    "Adadelta": {"lr": 0.1, "rho": 0.5, "eps": 0.1, "maximize": True},
    "Adafactor": {"lr": 0.1, "beta2_decay": -0.5, "eps": (None, 0.1), "d": 2.0},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.5},
    "Adam": {"lr": 0.1, "betas": (0.5, 0.6), "amsgrad": True},
    "AdamW": {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.5},
    "Adamax": {"lr": 0.1, "betas": (0.5, 0.6)},
    "LBFGS": {"lr": 0.1, "max_iter": 3, "history_size": 4, "line_search_fn": "strong_wolfe"},
    "Muon": {"lr": 0.1, "momentum": 0.5, "nesterov": False},
    "NAdam": {"lr": 0.1, "momentum_decay": 0.5, "decoupled_weight_decay": True},
    "RAdam": {"lr": 0.1, "decoupled_weight_decay": True},
    "RMSprop": {"lr": 0.1, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.1, "etas": (0.25, 1.5), "step_sizes": (1e-3, 10.0)},
    "SGD": {"lr": 0.1, "momentum": 0.5, "nesterov": True},
    "SparseAdam": {"lr": 0.1, "betas": (0.5, 0.6)},
}


@pytest.mark.parametrize("name", [name.removeprefix("torch.optim.") for name in OPTIMIZERS])
def test_every_known_optimizer_comes_back_with_its_arguments(name: str) -> None:
    given = model()
    parameters = [each for each in given.parameters() if each.ndim == 2 or name != "Muon"]
    given.conjure(getattr(torch.optim, name)(parameters, **OPTIONS[name]), "mse")
    other = told_again(given)
    assert type(other.optimizer) is type(given.optimizer)
    assert other.optimizer.defaults == given.optimizer.defaults
    assert other.optimizer.state_dict()["param_groups"] == given.optimizer.state_dict()["param_groups"]


def test_groups_come_back_with_their_parameters_and_options() -> None:
    given = model()
    low, high = given.layers
    optimizer = torch.optim.SGD(
        [{"params": high.parameters(), "lr": 0.5}, {"params": [low.bias], "initial_lr": 3.0}], lr=0.1, momentum=0.9
    )
    given.conjure(optimizer, "mse")
    optimizer.param_groups[1]["lr"] = 0.01
    other = told_again(given)
    (first, second) = other.optimizer.param_groups
    low, high = other.layers
    assert [id(each) for each in first["params"]] == [id(each) for each in high.parameters()]
    assert [id(each) for each in second["params"]] == [id(low.bias)]
    assert (first["lr"], second["lr"], second["initial_lr"]) == (0.5, 0.01, 3.0)
    assert (first["momentum"], other.optimizer.defaults["lr"]) == (0.9, 0.1)


def test_group_that_was_added_to_an_optimizer_by_name_comes_back() -> None:
    given = model()
    given.layers[1].requires_grad_(False)
    given.conjure("sgd", "mse")
    given.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    assert "parameters that are not the model's" in describe(given)["optimizer"]["unknown"]
    given.optimizer = torch.optim.SGD(given.layers[0].parameters(), lr=0.5)
    given.optimizer.add_param_group({"params": list(given.layers[1].parameters()), "lr": 0.25})
    assert [group["lr"] for group in told_again(given).optimizer.param_groups] == [0.5, 0.25]


def test_optimizer_that_was_set_replaces_the_one_that_was_told() -> None:
    given = conjured("adam")
    given.optimizer = torch.optim.SGD(given.parameters(), lr=0.5)
    other = told_again(given)
    assert type(other.optimizer) is torch.optim.SGD
    assert other.optimizer.defaults["lr"] == 0.5


def test_what_made_the_optimizer_is_described_while_the_model_waits_for_data() -> None:
    waiting = Pile([Daoloth(2)])
    waiting.conjure(torch.optim.Adam, "mse")
    assert type(told_again(waiting).optimizer) is torch.optim.Adam
    waiting.conjure(own_optimizer, "mse")
    assert told_again(waiting, {"own_optimizer": own_optimizer}).optimizer.defaults["lr"] == 0.25
    with pytest.raises(ValueError, match=r"the optimizer: there is no function 'own_optimizer': pass custom_objects="):
        told_again(waiting)


def test_optimizer_of_a_function_is_described_as_what_it_made() -> None:
    other = told_again(conjured(lambda parameters: torch.optim.SGD(parameters, lr=0.125)))
    assert other.optimizer.defaults["lr"] == 0.125


def test_own_optimizer_comes_back_by_the_name_of_its_class() -> None:
    given = conjured(partial(OwnSGD, lr=0.25, steps=3))
    other = told_again(given, {"OwnSGD": OwnSGD})
    assert type(other.optimizer) is OwnSGD
    assert other.optimizer.steps == 3
    assert other.optimizer.defaults["lr"] == 0.25
    with pytest.raises(ValueError, match=r"the optimizer: there is no class 'OwnSGD': pass custom_objects={'OwnSGD'"):
        told_again(given)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_copy_is_described_as_the_model(duplicate: Any) -> None:
    given = conjured(partial(torch.optim.SGD, lr=0.5))
    assert describe(duplicate(given)) == describe(given)


# --- losses and metrics -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.tensor([0.25, 0.75]), label_smoothing=0.1, ignore_index=7),
        nn.NLLLoss(reduction="sum"),
        functional.cross_entropy,
        OwnLoss(2.0),
        own_loss,
        partial(functional.cross_entropy, label_smoothing=0.1),
        ["sparse_categorical_crossentropy"],
    ],
)
def test_loss_gives_the_values_it_gave(loss: Any) -> None:
    given = conjured(loss=loss, metrics=["acc"])
    other = told_again(given, {"OwnLoss": OwnLoss, "own_loss": own_loss})
    outputs, targets = ([X], [Y]) if isinstance(loss, list) else (X, Y)
    if isinstance(loss, list):
        assert describe(other) == describe(given)
    else:
        assert other.evaluate(outputs, targets, verbose=0) == given.evaluate(outputs, targets, verbose=0)
    assert other.metrics_names == given.metrics_names


def test_losses_metrics_and_weights_by_output_come_back() -> None:
    given = Lump(nn.Linear(3, 2))
    told = {
        "loss": {"a": "mse", "b": nn.L1Loss()},
        "metrics": {"a": ["mae"], "b": (own_metric, binary_accuracy)},
        "loss_weights": {"a": 0.5, "b": 2.0},
    }
    given.conjure("sgd", **told)
    other = told_again(given, {"own_metric": own_metric})
    loss, metrics, weights = other._objective.given
    assert (loss["a"], type(loss["b"])) == ("mse", nn.L1Loss)
    assert metrics == {"a": ["mae"], "b": (own_metric, binary_accuracy)}
    assert weights == {"a": 0.5, "b": 2.0}
    assert other.metrics_names == given.metrics_names


def test_loss_that_was_taken_for_each_of_several_targets_is_described_as_such() -> None:
    given = Lump(nn.Linear(3, 2))
    given.conjure("sgd", "mse")
    given._objective = given._objective.for_targets([X, X])
    assert describe(given)["loss"] == {"list": [{"name": "mse"}, {"name": "mse"}]}


def test_metric_objects_come_back_with_their_arguments() -> None:
    metric = torchmetrics.classification.MulticlassAccuracy(num_classes=2, average="micro", top_k=2)
    given = conjured(metrics=[metric, own_metric])
    objects = {"MulticlassAccuracy": torchmetrics.classification.MulticlassAccuracy, "own_metric": own_metric}
    other = told_again(given, objects)
    made = other._objective.given[1][0]
    assert (made.num_classes, made.average, made.top_k) == (2, "micro", 2)
    assert other.evaluate(X, Y, verbose=0) == given.evaluate(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"metrics\[0\]: there is no class 'MulticlassAccuracy': pass custom_objects="):
        told_again(given)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"loss": lambda output, target: output.mean()}, "the loss could not be saved: the loss is <function"),
        ({"loss": partial(own_metric, X)}, "the loss could not be saved: .* with keyword arguments only"),
        (
            {"metrics": [torchmetrics.MetricCollection([torchmetrics.MeanSquaredError()])]},
            r"metrics\[0\] could not be saved: .*; load the model without it and call model.conjure\(\)",
        ),
    ],
)
def test_what_cannot_be_described_is_named_when_it_is_needed(told: dict[str, Any], message: str) -> None:
    given = conjured(**told)
    with pytest.raises(ValueError, match=message):
        told_again(given)


def test_model_that_could_not_be_told_is_as_it_was() -> None:
    other = conjured("adam", metrics=["acc"])
    before = describe(other)
    description = describe(conjured(loss=own_loss))
    with pytest.raises(ValueError, match="the loss: there is no function 'own_loss'"):
        conjure(other, description)
    assert describe(other) == before


# --- malformed descriptions -------------------------------------------------------------------------------------------


def changed(**parts: Any) -> dict[str, Any]:
    return {**(describe(conjured(partial(torch.optim.SGD, lr=0.5))) or {}), **parts}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, "the arguments of conjure\\(\\) are None: expected a dict"),
        (changed(more=1), "expected a dict of"),
        (changed(loss={"name": "msee"}), "there is no loss 'msee': did you mean 'mse'"),
        (changed(loss=None), r"conjure\(\) needs a loss"),
        (changed(loss="mse"), "the loss is 'mse': expected a dict with one key"),
        (changed(loss={"call": "mse"}), "expected a name, function, object, list, tuple or dict"),
        (changed(loss={"function": "os.system"}), "the loss: there is no function 'os.system'"),
        (
            changed(loss={"object": {"class": "torch.nn.Linear", "arguments": {"in_features": 2, "out_features": 2}}}),
            "the loss: torch.nn.Linear asks for more bytes of weights than there can be",
        ),
        (changed(metrics={"name": "nearly"}), "there is no metric 'nearly'"),
        (changed(optimizer={"name": "sgdd"}), "there is no optimizer 'sgdd'"),
        (changed(optimizer={"made": {"class": "SGD"}}), "expected a name, or a class, arguments and groups"),
        (
            changed(optimizer={"made": {"class": "torch.optim.SGD", "arguments": {"lr": -1.0}, "groups": []}}),
            "the optimizer: torch.optim.SGD cannot be created again: ValueError: Invalid learning rate",
        ),
        (
            changed(
                optimizer={
                    "made": {
                        "class": "torch.optim.SGD", "arguments": {},
                        "groups": [{"parameters": ["weight"], "options": {}}],
                    }
                }
            ),
            "the model has no parameter 'weight': it has daoloth_1.weight",
        ),
    ],
)  # fmt: skip
def test_malformed_descriptions_are_refused_with_the_reason(description: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conjure(model(), description)


VALID = describe(conjured(partial(torch.optim.SGD, lr=0.5), nn.CrossEntropyLoss(), metrics=["acc", binary_accuracy]))
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from(["torch.relu", "mse", "torch.nn.Linear", [], {}, ["a"], {"name": "mse"}, {"list": [None]}])
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers in ``value``, each with each of its keys."""
    if not isinstance(value, (dict, list)):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_other_description_is_told_or_a_value_error(data: st.DataObject) -> None:
    description = copy.deepcopy(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(description)))
        if data.draw(st.booleans()):
            container[key] = copy.deepcopy(data.draw(VALUES))  # the strategy keeps its lists
        else:
            del container[key]
        if not places(description):
            break
    try:
        conjure(model(), description)
    except ValueError:
        return
