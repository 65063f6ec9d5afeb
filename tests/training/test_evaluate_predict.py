"""``evaluate``, ``predict``, ``train_on_batch``, ``test_on_batch``, and saving without a package that saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile, load_model

pytestmark = pytest.mark.usefixtures("no_plugins")

X = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=11).astype(np.float32)


def regression(metrics: Any = None) -> Lump:
    torch.manual_seed(0)
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse", metrics)
    return model


def test_evaluate_gives_the_loss_or_the_values_that_metrics_names_names() -> None:
    model = regression()
    with torch.no_grad():
        errors = model(torch.tensor(X))[:, 0].numpy() - Y
    assert model.metrics_names == ["loss"]
    loss = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert isinstance(loss, float)
    assert loss == pytest.approx((errors**2).mean(), rel=1e-5)
    model.conjure("sgd", "mse", ["mae", "acc"])
    assert model.metrics_names == ["loss", "mae", "acc"]
    found = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert found == pytest.approx([(errors**2).mean(), np.abs(errors).mean(), 0.0], rel=1e-5)


def test_evaluate_weighs_samples_and_counts_steps() -> None:
    model = regression()
    weights = np.arange(11.0)
    each = np.array([model.evaluate(X[i : i + 1], Y[i : i + 1], verbose=0) for i in range(11)])
    assert model.evaluate(X, Y, batch_size=4, sample_weight=weights, verbose=0) == pytest.approx(
        (weights * each).mean(), rel=1e-5
    )
    assert model.evaluate(X, Y, batch_size=4, steps=2, verbose=0) == pytest.approx(each[:8].mean(), rel=1e-5)


def test_evaluate_and_predict_keep_modes_and_gradients() -> None:
    model = Pile([nn.Linear(3, 4), nn.Dropout(0.5), Daoloth(1)])
    model.conjure("sgd", "mse")
    model.train()
    model.layers[0].eval()
    model.evaluate(X, Y, verbose=0)
    assert np.array_equal(model.predict(X), model.predict(X))
    assert [layer.training for layer in model.layers] == [False, True, True]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_predict_gives_arrays_in_the_structure_of_the_model() -> None:
    class Outputs(Lump):
        def forward(self, x: Tensor) -> Any:
            return {"twice": 2 * x, "rest": (x + 1, [x - 1])}

    found = Outputs().predict(X, batch_size=4)
    assert np.array_equal(found["twice"], 2 * X)
    assert np.array_equal(found["rest"][0], X + 1)
    assert np.array_equal(found["rest"][1][0], X - 1)


def test_predict_takes_the_inputs_of_data_that_has_targets() -> None:
    model = regression()
    expected = model.predict(X)
    pairs = TensorDataset(torch.tensor(X), torch.tensor(Y))
    for data in (pairs, DataLoader(pairs, batch_size=11), [(X, Y)], [X], X.tolist(), torch.tensor(X)):
        assert np.allclose(model.predict(data), expected, atol=1e-6)
    assert np.allclose(model.predict(iter([(X, Y), (X, Y)]), steps=2), np.concatenate([expected, expected]), atol=1e-6)


def test_predict_needs_no_conjure_and_learns_sizes() -> None:
    model = Pile([Daoloth(2)])
    assert model.predict(X).shape == (11, 2)
    assert Lump(nn.Linear(3, 1).bfloat16()).predict(X).dtype == np.float32


def test_predict_gives_outputs_that_require_gradients() -> None:
    class Constant(Lump):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.tensor([[1.0, 2.0]]))

        def forward(self, x: Tensor) -> Tensor:
            return self.value

    assert Constant().predict(X[:1]).tolist() == [[1.0, 2.0]]


def test_predict_hooks_see_the_outputs() -> None:
    class Sees(Callback):
        def on_predict_begin(self, logs: Any) -> None:
            self.seen: list[tuple[int, int, tuple[int, ...]]] = []

        def on_predict_batch_end(self, batch: int, logs: Any) -> None:
            self.seen.append((batch, logs["size"], tuple(self.run.current.outputs.shape)))

    sees = Sees()
    regression().predict(X, batch_size=4, callbacks=[sees])
    assert sees.seen == [(0, 4, (4, 1)), (1, 4, (4, 1)), (2, 3, (3, 1))]


def test_evaluate_hooks_see_the_values() -> None:
    class Sees(Callback):
        def on_test_begin(self, logs: Any) -> None:
            self.sizes: list[int] = []

        def on_test_batch_end(self, batch: int, logs: Any) -> None:
            self.sizes.append(logs["size"])

        def on_test_end(self, logs: Any) -> None:
            self.logs = dict(logs)

        def on_train_begin(self, logs: Any) -> None:
            raise AssertionError("evaluate is no training")

    sees, model = Sees(), regression()
    loss = model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=sees)
    assert (sees.sizes, sees.logs) == ([4, 4, 3], {"loss": loss})


def test_evaluate_does_not_touch_the_wish_to_stop() -> None:
    model = regression()
    for wish in (True, False):
        model.stop_training = wish
        model.evaluate(X, Y, verbose=0)
        model.predict(X)
        assert model.stop_training is wish


def test_train_on_batch_returns_the_values_before_the_step() -> None:
    model = regression(["mae"])
    expected = model.test_on_batch(X, Y)
    assert model.train_on_batch(X, Y) == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(X, Y)[0] < expected[0]


def test_batches_of_their_own_take_weights() -> None:
    model = regression()
    weights = np.arange(11.0)
    expected = model.evaluate(X, Y, sample_weight=weights, verbose=0)
    assert model.test_on_batch(X, Y, sample_weight=weights) == expected
    assert model.train_on_batch(X, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-6)
    classes = np.arange(11) % 2
    halves = 0.5 * (classes == 0) + 4.0 * (classes == 1)
    model = Pile([Daoloth(1, input_dim=3, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy")
    expected = model.test_on_batch(X, classes, sample_weight=halves)
    assert model.train_on_batch(X, classes, class_weight={0: 0.5, 1: 4.0}) == pytest.approx(expected, rel=1e-6)


def test_no_batch_is_an_error() -> None:
    model = regression()
    with pytest.warns(UserWarning, match="ended after 0 of 2"), pytest.raises(ValueError, match="yielded no batch"):
        model.evaluate(iter([]), steps=2, verbose=0)
    with pytest.warns(UserWarning, match="ended after 0 of 2"), pytest.raises(ValueError, match="no batch"):
        model.predict(iter([]), steps=2)


@pytest.mark.parametrize("suffix", [".hdf5", ".h5"])
def test_saving_without_a_package_says_which_to_install(suffix: str, tmp_path: Any) -> None:
    model, path = regression(), tmp_path / f"model{suffix}"
    for act, does in (
        (lambda: model.save(path), "saves"),
        (lambda: model.save_weights(str(path)), "saves"),
        (lambda: model.load_weights(path), "loads"),
        (lambda: load_model(str(path)), "loads"),
    ):
        with pytest.raises(
            ImportError, match=f"no installed package {does} {suffix} files.*pip install cthulhu-checkpoint"
        ):
            act()
    with pytest.raises(ImportError, match="which has no suffix"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
