"""Optimizers by name take the steps and the defaults that Keras documents; others are used as given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.training.optimizers import OPTIMIZERS, optimizer_factory

EPS = 1e-7

State = dict[str, float]


def sgd(p: float, g: float, t: int, s: State) -> float:
    return p - 0.01 * g


def rmsprop(p: float, g: float, t: int, s: State) -> float:
    s["a"] = 0.9 * s.get("a", 0.0) + 0.1 * g**2
    return p - 0.001 * g / (np.sqrt(s["a"]) + EPS)


def adagrad(p: float, g: float, t: int, s: State) -> float:
    s["a"] = s.get("a", 0.0) + g**2
    return p - 0.01 * g / (np.sqrt(s["a"]) + EPS)


def adadelta(p: float, g: float, t: int, s: State) -> float:
    s["a"] = 0.95 * s.get("a", 0.0) + 0.05 * g**2
    update = g * np.sqrt(s.get("d", 0.0) + EPS) / np.sqrt(s["a"] + EPS)
    s["d"] = 0.95 * s.get("d", 0.0) + 0.05 * update**2
    return p - 1.0 * update


def adam(p: float, g: float, t: int, s: State) -> float:
    s["m"], s["v"] = 0.9 * s.get("m", 0.0) + 0.1 * g, 0.999 * s.get("v", 0.0) + 0.001 * g**2
    rate = 0.001 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return p - rate * s["m"] / (np.sqrt(s["v"]) + EPS)


def adamax(p: float, g: float, t: int, s: State) -> float:
    s["m"], s["u"] = 0.9 * s.get("m", 0.0) + 0.1 * g, max(0.999 * s.get("u", 0.0), abs(g))
    return p - 0.002 / (1 - 0.9**t) * s["m"] / (s["u"] + EPS)


STEPS: dict[str, Callable[[float, float, int, State], float]] = {
    "sgd": sgd, "rmsprop": rmsprop, "adagrad": adagrad, "adadelta": adadelta, "adam": adam, "adamax": adamax,
}  # fmt: skip

gradients = st.one_of(st.floats(0.1, 5.0), st.floats(-5.0, -0.1))


def test_every_name_but_nadam_has_its_steps_here() -> None:
    assert set(OPTIMIZERS) - {"nadam"} == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
@given(start=st.floats(-2, 2), steps=st.lists(gradients, min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_steps_are_those_of_the_formula(name: str, start: float, steps: list[float]) -> None:
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = optimizer_factory(name)([weight])
    expected, state = start, State()
    for t, gradient in enumerate(steps, 1):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        expected = STEPS[name](expected, gradient, t, state)
        assert weight.item() == pytest.approx(expected, abs=1e-5)


def test_nadam_has_the_documented_arguments() -> None:
    # PyTorch's schedule of the momentum is not that of Keras: only what one can set is compared.
    defaults = optimizer_factory("nadam")([nn.Parameter(torch.zeros(1))]).defaults
    assert (defaults["lr"], defaults["betas"], defaults["eps"], defaults["momentum_decay"]) == (
        0.002, (0.9, 0.999), 1e-7, 0.004,
    )  # fmt: skip


def test_names_may_be_capitalised() -> None:
    assert isinstance(optimizer_factory("Adam")([nn.Parameter(torch.zeros(1))]), torch.optim.Adam)


def test_optimizer_object_is_used_as_it_is() -> None:
    module = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.9)
    model = Lump(module)
    model.conjure(optimizer, "mse")
    assert model.optimizer is optimizer


@pytest.mark.parametrize(
    "factory",
    [
        functools.partial(torch.optim.SGD, lr=0.25),
        lambda parameters: torch.optim.SGD(parameters, lr=0.25),
        type("Quarter", (torch.optim.SGD,), {"__init__": lambda self, p: torch.optim.SGD.__init__(self, p, lr=0.25)}),
    ],
    ids=["partial", "function", "class"],
)
def test_factory_is_given_the_parameters(factory: Any) -> None:
    model = Lump(nn.Linear(2, 1))
    model.conjure(factory, "mse")
    assert isinstance(model.optimizer, torch.optim.SGD)
    assert model.optimizer.param_groups[0]["lr"] == 0.25
    held = [id(parameter) for parameter in model.optimizer.param_groups[0]["params"]]
    assert held == [id(parameter) for parameter in model.parameters()]


def test_mistakes_are_answered() -> None:
    with pytest.raises(ValueError, match="no optimizer 'rmsprob': did you mean 'rmsprop'"):
        Lump(nn.Linear(1, 1)).conjure("rmsprob", "mse")
    with pytest.raises(TypeError, match="optimizer is 0.1: expected a name"):
        Lump(nn.Linear(1, 1)).conjure(0.1, "mse")
    with pytest.raises(TypeError, match="returned None: expected a torch.optim.Optimizer"):
        Lump(nn.Linear(1, 1)).conjure(lambda parameters: None, "mse")


def test_optimizer_can_be_replaced() -> None:
    model = Lump(nn.Linear(2, 1))
    model.conjure("sgd", "mse")
    model.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    before = model.get_weights()
    model.train_on_batch(np.ones((4, 2)), np.ones(4))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_optimizer_before_conjure_and_before_sizes_says_what_is_missing() -> None:
    model = Pile([Daoloth(1)])
    with pytest.raises(RuntimeError, match=r"call model.conjure\(optimizer=..., loss=...\)"):
        _ = model.optimizer
    model.conjure("sgd", "mse")
    with pytest.raises(RuntimeError, match="learned from the first data"):
        _ = model.optimizer


def test_optimizer_follows_added_and_removed_layers() -> None:
    model = Pile([Daoloth(3, input_dim=2)])
    model.conjure("sgd", "mse")
    model.add(Daoloth(1))
    assert [p.shape for p in model.optimizer.param_groups[0]["params"]] == [(3, 2), (3,), (1, 3), (1,)]
    model.pop()
    assert [p.shape for p in model.optimizer.param_groups[0]["params"]] == [(3, 2), (3,)]


def test_model_without_parameters_is_evaluated_and_refuses_to_train() -> None:
    model = Pile([Azatoth("relu")])
    model.conjure("sgd", "mse", ["mae"])
    x = np.array([[-1.0], [2.0]])
    assert model.evaluate(x, np.zeros((2, 1)), verbose=0) == [2.0, 1.0]
    assert model.predict(x).tolist() == [[0.0], [2.0]]
    for train in (lambda: model.summon(x, x, verbose=0), lambda: model.train_on_batch(x, x)):
        with pytest.raises(RuntimeError, match="the model has no parameters: there is nothing to train"):
            train()


def test_optimizer_that_searches_along_a_line_is_given_the_loss_to_ask_again() -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5]], dtype=np.float32)
    model = Lump(nn.Linear(3, 1))
    model.conjure(lambda parameters: torch.optim.LBFGS(parameters, line_search_fn="strong_wolfe"), "mse")
    model.summon(x, y, batch_size=32, epochs=2, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 1e-8
    np.testing.assert_allclose(model.get_weights()[0], [[1.0, -2.0, 0.5]], atol=1e-3)


# --- fused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adagrad", "adam", "sgd"])
def test_fused_kernels_serve_where_pytorch_has_them_and_give_the_same(name: str) -> None:
    def trained(optimizer: Any) -> tuple[Lump, list[float]]:
        torch.manual_seed(0)
        model = Lump(nn.Linear(3, 2))
        model.conjure(optimizer, "mse")
        x = torch.arange(30.0).reshape(10, 3) / 30
        return model, model.summon(x, x[:, :2], epochs=20, verbose=0).history["loss"]

    model, losses = trained(name)
    assert model.optimizer.param_groups[0]["fused"] is True
    plain, expected = trained(lambda weights: OPTIMIZERS[name](weights, dense=False))
    assert plain.optimizer.param_groups[0]["fused"] is not True
    assert losses == pytest.approx(expected, rel=1e-5)


def test_fused_kernels_do_not_serve_for_sparse_gradients_and_complex_weights() -> None:
    torch.manual_seed(0)
    model = Lump(nn.Sequential(nn.Embedding(5, 2, sparse=True), nn.Flatten(), nn.Linear(4, 1)))
    model.conjure("sgd", "mse")
    model.summon(torch.tensor([[0, 1], [2, 3]] * 4), torch.ones(8), epochs=2, verbose=0)
    assert not model.optimizer.param_groups[0]["fused"]
    assert model.module[0].weight.grad.is_sparse
    assert not OPTIMIZERS["adam"]([nn.Parameter(torch.zeros(1, dtype=torch.complex64))]).param_groups[0]["fused"]
