"""Options of ``conjure``: each of them does what the plain loop does in which PyTorch's documentation shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Callback
from cthulhu_core.models.training_config import conjure, describe
from cthulhu_core.testing import DeviceReads
from cthulhu_core.training.options import Options

pytestmark = pytest.mark.usefixtures("no_plugins")

N, BATCH, EPOCHS = 44, 8, 2
X = torch.randn(N, 6, generator=torch.Generator().manual_seed(0)) * 3
Y = torch.randint(0, 4, (N,), generator=torch.Generator().manual_seed(1))


def network() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))


def adam(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=0.01)


def conjured(optimizer: Any = adam, **options: Any) -> Lump:
    model = Lump(network())
    model.conjure(optimizer, nn.CrossEntropyLoss(), **options)
    return model


class Losses(Callback):
    """Notes the loss of each batch, and when the gradients of a step are there."""

    def on_train_begin(self, logs: Any) -> None:
        self.losses: list[float] = []
        self.steps: list[int] = []
        self.norms: list[float] = []

    def on_gradients(self, batch: int) -> None:
        self.steps.append(batch)
        norms = [weight.grad.norm() for weight in self.model.parameters()]
        self.norms.append(float(torch.stack(norms).norm()))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.losses.append(logs["loss"])


def summoned(model: Lump, x: Any = X, y: Any = Y, batch_size: int | None = BATCH, **arguments: Any) -> Losses:
    noted = Losses()
    model.summon(x, y, batch_size, EPOCHS, verbose=0, shuffle=False, callbacks=noted, **arguments)
    return noted


def by_hand(step: Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], Tensor], size: int = BATCH) -> Any:
    """The losses, and the network that a loop with this step ends with."""
    model = network()
    optimizer = adam(model.parameters())
    losses = []
    for _ in range(EPOCHS):
        for inputs, targets in zip(X.split(size), Y.split(size), strict=True):
            optimizer.zero_grad()
            losses.append(step(model, optimizer, inputs, targets).item())
    return losses, model


def weights_of(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().reshape(-1) for weight in model.parameters()])


# --- clipping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [{"clipnorm": 0.3}, {"clipvalue": 0.02}, {"clipnorm": 0.1, "clipvalue": 0.02}])
def test_clipped_gradients_are_those_of_the_plain_loop(clip: dict[str, float]) -> None:
    def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        if "clipvalue" in clip:
            nn.utils.clip_grad_value_(model.parameters(), clip["clipvalue"])
        if "clipnorm" in clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip["clipnorm"])
        optimizer.step()
        return loss

    losses, plain = by_hand(step)
    model = conjured(**clip)
    noted = summoned(model)
    assert noted.losses == losses
    assert torch.equal(weights_of(model), weights_of(plain))
    # Callbacks see gradients before they are clipped.
    assert max(noted.norms) > 0.5


# --- accumulation ---------------------------------------------------------------------------------------------------


@given(
    samples=st.integers(1, 40), batch=st.integers(1, 9), accumulate=st.integers(2, 5), sized=st.booleans()
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_batches_that_make_one_step_are_as_one_batch(samples: int, batch: int, accumulate: int, sized: bool) -> None:
    """Where the last of them is smaller, too, and where the data does not say how many there are."""
    x, y = X[:samples].double(), Y[:samples]

    def conjured_in_double(**options: Any) -> Lump:
        model = Lump(network().double())
        model.conjure(lambda weights: torch.optim.SGD(weights, lr=0.1), nn.CrossEntropyLoss(), **options)
        return model

    class Unsized:
        def __iter__(self) -> Iterator[Any]:
            return zip(x.split(batch), y.split(batch), strict=True)

    model, whole = conjured_in_double(accumulate=accumulate), conjured_in_double()
    noted = summoned(model, x, y, batch) if sized else summoned(model, Unsized(), None, None)
    summoned(whole, x, y, batch * accumulate)
    assert torch.allclose(weights_of(model), weights_of(whole), rtol=1e-9, atol=1e-12)
    batches = -(-samples // batch)
    steps = [number for number in range(batches) if (number + 1) % accumulate == 0 or number + 1 == batches]
    assert noted.steps == steps * EPOCHS


def test_gradients_of_the_last_batches_before_a_stop_are_applied() -> None:
    class StopAtFirst(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.run.stop()

    model, whole = conjured(accumulate=4), conjured()
    for each in (model, whole):
        each.summon(X, Y, BATCH, verbose=0, shuffle=False, callbacks=StopAtFirst())
    assert torch.equal(weights_of(model), weights_of(whole))


def test_batch_given_by_itself_is_a_step() -> None:
    model, whole = conjured(accumulate=4), conjured()
    for each in (model, whole):
        each.train_on_batch(X[:8], Y[:8])
    assert torch.equal(weights_of(model), weights_of(whole))


def test_callback_sees_the_gradient_of_the_whole_step_unscaled() -> None:
    model, whole = conjured(accumulate=3, autocast="float16"), conjured(autocast="float16")
    accumulated = summoned(model, X[:24] / 10, Y[:24], 8)
    assert accumulated.norms == pytest.approx(summoned(whole, X[:24] / 10, Y[:24], 24).norms, rel=0.01)


# --- precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_autocast_is_that_of_the_plain_loop(precision: Any) -> None:
    dtype = getattr(torch, precision)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "float16")

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype):
            outputs = model(inputs)
        assert outputs.dtype is dtype
        loss = functional.cross_entropy(outputs.float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    losses, plain = by_hand(step)
    model = conjured(autocast=precision)
    assert summoned(model).losses == pytest.approx(losses, rel=1e-6)
    assert torch.allclose(weights_of(model), weights_of(plain), rtol=1e-5, atol=1e-7)
    # The same precision when it is tested and predicts; what comes out is float32.
    with torch.autocast("cpu", dtype), torch.no_grad():
        expected = model.module(X).float()
    assert model.predict(X).dtype == "float32"
    assert torch.equal(torch.from_numpy(model.predict(X)), expected)
    assert model.evaluate(X, Y, N, verbose=0) == pytest.approx(float(functional.cross_entropy(expected, Y)), rel=1e-6)


def test_step_whose_scaled_gradients_overflow_is_skipped() -> None:
    class Overflow(Callback):
        def on_gradients(self, batch: int) -> None:
            if batch == 0:
                self.model.before = weights_of(self.model).clone()

        def on_batch_end(self, batch: int, logs: Any) -> None:
            if batch == 0:
                self.model.after_first = weights_of(self.model).clone()

    model = conjured(autocast="float16")
    # Times the scale of the loss, 65536, it is more than float16 can hold.
    model.summon(X * 100, Y, BATCH, verbose=0, shuffle=False, callbacks=Overflow())
    assert torch.equal(model.after_first, model.before)
    assert torch.isfinite(weights_of(model)).all()


def test_scale_of_the_loss_is_found_over_batches_given_by_themselves() -> None:
    model = conjured(autocast="float16")
    before = weights_of(model).clone()
    for number in range(20):
        model.train_on_batch(X * 1000, Y)
        if number == 0:
            assert torch.equal(weights_of(model), before)
    assert not torch.equal(weights_of(model), before)
    assert torch.isfinite(weights_of(model)).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_softmax_of_half_precision_keeps_its_logits(precision: Any) -> None:
    model = Pile([Daoloth(4, activation="softmax", input_dim=6)])
    model.conjure("sgd", "sparse_categorical_crossentropy", autocast=precision)
    with torch.no_grad():
        model.layers[0].weight.mul_(40)
    with torch.autocast("cpu", getattr(torch, precision)), torch.no_grad():
        logits = functional.linear(X, model.layers[0].weight, model.layers[0].bias).float()
    expected = float(functional.cross_entropy(logits, Y))
    assert expected > 17  # beyond what a probability of float32 could say
    assert model.evaluate(X, Y, N, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"autocast": "float16"}, {"autocast": "bfloat16"}, {"accumulate": 3}, {"clipnorm": 1}]
)
def test_options_read_nothing_from_the_device(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    counts = DeviceReads(monkeypatch)
    model = Lump(network())
    model.conjure("adam", nn.CrossEntropyLoss(), ["acc"], **options)
    model.summon(X, Y, BATCH, 2, verbose=0, callbacks=counts)
    assert counts.reads == []


# --- the compiler -----------------------------------------------------------------------------------------------------

COMPILED = """
import sys, warnings
import torch
from torch import nn
from cthulhu.models import Lump
from cthulhu_core.training.computation import CompileWarning

torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.randn(20, 6), torch.randint(0, 4, (20,))

def trained(**options):
    torch.manual_seed(5)
    model = Lump(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4)))
    model.conjure(lambda weights: torch.optim.SGD(weights, lr=0.1), nn.CrossEntropyLoss(), ["acc"], **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.summon(x, y, 10, 3, verbose=0, shuffle=False, validation_data=(x, y)).history
    said = [str(each.message) for each in caught if each.category is CompileWarning]
    return model, history, said

plain, expected, _ = trained()
model, history, said = trained(jit_compile=True)
for name, values in expected.items():
    assert torch.allclose(torch.tensor(values), torch.tensor(history[name]), rtol=1e-5), (name, values, history[name])
assert torch.allclose(torch.from_numpy(model.predict(x)), torch.from_numpy(plain.predict(x)), rtol=1e-4, atol=1e-6)
from torch._dynamo.utils import counters
print(len(said), counters["stats"]["unique_graphs"] > 0, *said)
"""


def compiled(folder: Path, **environment: str) -> str:
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder), "CTHULHU_DISABLE": "*", **environment}
    return subprocess.run(
        [sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True, check=True, timeout=300
    ).stdout


@pytest.mark.slow
def test_compiled_training_is_the_plain_one(tmp_path: Path) -> None:
    assert compiled(tmp_path).strip() == "0 True"


@pytest.mark.slow
def test_what_cannot_be_compiled_is_trained_without_and_says_why(tmp_path: Path) -> None:
    said = compiled(tmp_path, CXX="there-is-no-such-compiler")
    assert said.startswith("1 ")
    assert "jit_compile: torch.compile cannot compile the model, so training continues without it" in said
    assert "there-is-no-such-compiler" in said


def test_compiled_model_is_compiled_once_for_several_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(torch, "compile", lambda function: made.append(function) or function)
    model = conjured(jit_compile=True)
    for _ in range(3):
        summoned(model)
    assert [function.__name__ for function in made] == ["_loss"]


def test_error_of_the_model_is_no_failure_of_the_compiler() -> None:
    model = conjured(jit_compile=True)
    # Warnings are errors here: there is none of the compiler.
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model.summon(X[:, :5], Y, BATCH, verbose=0)


# --- what they are, and where they are kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jit_compile": "yes"}, "jit_compile is 'yes': expected True or False"),
        ({"autocast": "half"}, "autocast is 'half': expected 'bfloat16' or 'float16', or None"),
        ({"accumulate": 0}, "accumulate is 0: expected an integer of at least 1"),
        ({"accumulate": 2.0}, "accumulate is 2.0: expected an integer of at least 1"),
        ({"clipnorm": 0}, "clipnorm is 0: expected a finite number above 0, or None"),
        ({"strategy": "dp"}, "strategy is 'dp': expected 'ddp' or 'fsdp', or None"),
        ({"clipvalue": float("nan")}, "clipvalue is nan: expected a finite number above 0, or None"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    model = Lump(network())
    with pytest.raises(ValueError, match=message):
        model.conjure("adam", "mse", **options)
    assert model._objective is None


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"clipnorm": 1.0}, {"clipvalue": 1.0}, {"autocast": "float16"}])
def test_optimizer_that_asks_for_the_loss_itself_is_refused_before_training(options: dict[str, Any]) -> None:
    noted = Losses()
    model = conjured(lambda weights: torch.optim.LBFGS(weights), **options)
    with pytest.raises(ValueError, match="LBFGS computes gradients itself"):
        model.summon(X, Y, verbose=0, callbacks=noted)
    assert not hasattr(noted, "losses")


def test_options_are_part_of_what_is_saved() -> None:
    options = {"jit_compile": False, "autocast": "bfloat16", "accumulate": 3, "clipnorm": 0.5, "clipvalue": None}
    options["strategy"] = None
    model, other = Lump(network()), Lump(network())
    model.conjure("adam", "mse", **options)
    described = describe(model)
    assert described is not None
    assert described["options"] == {"plain": options}
    conjure(other, described)
    assert other._options == Options(**options)
    # What an earlier version saved has none of them.
    del described["options"]
    conjure(other, described)
    assert other._options == Options()
    with pytest.raises(ValueError, match="options are"):
        conjure(other, {**described, "options": {"plain": {"clip": 1}}})
