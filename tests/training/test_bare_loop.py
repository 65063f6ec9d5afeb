"""``summon`` and a loop written by hand end with the same weights, bit for bit, and so does the same seed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile

pytestmark = pytest.mark.usefixtures("no_plugins")

N, BATCH, EPOCHS = 70, 16, 3
X = torch.randn(N, 6, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 4, (N,), generator=torch.Generator().manual_seed(1))

Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
}


def dropping() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.4), nn.Linear(12, 4))


def by_hand(model: nn.Module, criterion: Any, optimizer: torch.optim.Optimizer, shuffle: bool) -> list[float]:
    losses = []
    model.train()
    for _ in range(EPOCHS):
        order = torch.randperm(N) if shuffle else torch.arange(N)
        for start in range(0, N, BATCH):
            rows = order[start : start + BATCH]
            loss = criterion(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(left, right) for left, right in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_wrapped_module_ends_with_the_weights_of_the_loop(name: str, shuffle: bool) -> None:
    torch.manual_seed(5)
    module = dropping()
    losses = by_hand(module, functional.cross_entropy, OPTIMIZERS[name](module.parameters()), shuffle)
    after = torch.get_rng_state()

    torch.manual_seed(5)
    model = Lump(dropping())
    model.conjure(OPTIMIZERS[name], nn.CrossEntropyLoss(), ["acc"])
    history = model.summon(X, Y, batch_size=BATCH, epochs=EPOCHS, shuffle=shuffle, verbose=0)
    assert same(model, module)
    # Nothing else was drawn from the generator, so that what follows is the same, too.
    assert torch.equal(torch.get_rng_state(), after)
    sizes = [16, 16, 16, 16, 6] * EPOCHS
    means = [
        sum(loss * size for loss, size in zip(losses[at : at + 5], sizes, strict=False)) / N for at in range(0, 15, 5)
    ]
    assert history.history["loss"] == pytest.approx(means, rel=1e-6)


@pytest.mark.parametrize("shuffle", [True, False])
def test_pile_by_names_ends_with_the_weights_of_cross_entropy_by_hand(shuffle: bool) -> None:
    def layers(*last: nn.Module) -> list[nn.Module]:
        torch.manual_seed(2)
        return [Daoloth(12, input_dim=6, activation="relu"), nn.Dropout(0.3), Daoloth(4), *last]

    hand = Pile(layers())
    by_hand(hand, functional.cross_entropy, torch.optim.RMSprop(hand.parameters(), 0.001, 0.9, 1e-7), shuffle)

    model = Pile(layers(Azatoth("softmax")))
    model.conjure("rmsprop", "sparse_categorical_crossentropy")
    model.summon(X, Y, batch_size=BATCH, epochs=EPOCHS, shuffle=shuffle, verbose=0)
    assert same(model, hand)


def test_validation_changes_no_bit_of_the_training() -> None:
    def train(**arguments: Any) -> Lump:
        torch.manual_seed(3)
        model = Lump(dropping())
        model.conjure("adam", nn.CrossEntropyLoss())
        model.summon(X, Y, batch_size=BATCH, epochs=EPOCHS, verbose=0, **arguments)
        return model

    assert same(train(), train(validation_data=(X, Y)))


def test_same_seed_same_bits_also_where_sizes_are_learned() -> None:
    def train() -> Pile:
        torch.manual_seed(4)
        model = Pile([Daoloth(8, activation="relu"), nn.Dropout(0.5), Daoloth(4, activation="softmax")])
        model.conjure("adam", "sparse_categorical_crossentropy")
        model.summon(X, Y, batch_size=BATCH, epochs=2, verbose=0)
        return model

    assert same(train(), train())


def test_train_on_batch_is_a_step_by_hand() -> None:
    torch.manual_seed(0)
    module, other = dropping(), dropping()
    other.load_state_dict(module.state_dict())
    model = Lump(module)
    model.conjure("sgd", nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(other.parameters(), lr=0.01)
    for _ in range(3):
        torch.manual_seed(7)
        value = model.train_on_batch(X, Y)
        torch.manual_seed(7)
        loss = functional.cross_entropy(other(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert value == loss.item()
    assert same(module, other)


def test_gradients_can_be_changed_between_backward_and_step() -> None:
    from cthulhu.callbacks import Callback

    class Clips(Callback):
        def on_gradients(self, batch: int) -> None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)

    class Clipped(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 0.1)
            return super().step(closure)

    torch.manual_seed(0)
    module = dropping()
    by_hand(module, functional.cross_entropy, Clipped(module.parameters(), lr=0.5), True)
    torch.manual_seed(0)
    model = Lump(dropping())
    model.conjure(lambda parameters: torch.optim.SGD(parameters, lr=0.5), nn.CrossEntropyLoss())
    model.summon(X, Y, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=Clips())
    assert same(model, module)


def test_batch_of_one_and_a_batch_larger_than_the_data() -> None:
    for size in (1, 1000):
        module, model = nn.Linear(6, 4), Lump(nn.Linear(6, 4))
        model.module.load_state_dict(module.state_dict())
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
        for start in range(0, N, size):
            loss: Tensor = functional.cross_entropy(module(X[start : start + size]), Y[start : start + size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.conjure("sgd", nn.CrossEntropyLoss())
        model.summon(X.numpy(), np.asarray(Y), batch_size=size, shuffle=False, verbose=0)
        assert same(model, module)
