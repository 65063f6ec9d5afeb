"""A model made of a list of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cthulhu_core.models.layers import TheHydra
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.serialization.allowed import known_as
from cthulhu_core.training.logits import keep_logits_of
from cthulhu_core.training.loop import evaluating


@known_as("cthulhu.models.Pile", container=("name",))
class Pile(Lump):
    """A model made of layers, each of which takes the output of the one before.

    In ``state_dict``, a layer has its own ``name``, or its class and a number (``daoloth_1.weight``).

    Args:
        layers: ``Daoloth``, ``Azatoth``, ``TheHydra`` and any other ``torch.nn.Module``.
        name: name of the model.

    Raises:
        TypeError: a layer is not a module, or is a class.
        ValueError: two layers have one name.

    Example:
        >>> model = Pile([Daoloth(32, input_dim=784, activation="relu")])
        >>> model.add(Daoloth(10, activation="softmax"))
        >>> model(torch.zeros(1, 784)).shape
        torch.Size([1, 10])
    """

    _contains_layers = True  # see distributed/sharding.py

    def __init__(self, layers: Iterable[nn.Module] | None = None, name: str | None = None) -> None:
        super().__init__()
        self.name = name
        self._names: list[str] = []
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: nn.Module) -> None:
        """Add a layer on top. Raises the errors of the class, and the layer's own if it does not fit those below."""
        if not isinstance(layer, nn.Module):
            hint = f": write {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"a layer is a torch.nn.Module: got {layer!r}{hint}")
        self._put(getattr(layer, "name", None) or self._numbered(type(layer).__name__.lower()), layer)
        try:
            self._build()
        except Exception:
            self.pop()
            raise

    def _put(self, name: str, layer: nn.Module) -> None:
        """Add a layer on top under this name, without building it."""
        if name in {*self._modules, *vars(self), *dir(type(self))} or "." in name:
            raise ValueError(
                f"a layer cannot be named {name!r}: names must be unique, differ from attributes of Pile, and have "
                f"no dot"
            )
        keep_logits_of(layer)
        self.add_module(name, layer)
        self._names.append(name)
        self._optimizer = None  # it has the parameters of the layers before

    def pop(self) -> None:
        """Remove the top layer.

        Raises:
            IndexError: there are no layers.
        """
        if not self._names:
            raise IndexError("pop() from a Pile that has no layers")
        delattr(self, self._names.pop())
        self._optimizer = None

    def _numbered(self, kind: str) -> str:
        number = 1
        while f"{kind}_{number}" in self._names:
            number += 1
        return f"{kind}_{number}"

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, from the bottom up."""
        return [self._modules[name] for name in self._names]  # type: ignore[misc]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the output of the last layer."""
        if not self._names:
            raise RuntimeError("this Pile has no layers: add one, e.g. model.add(Daoloth(10, input_dim=784))")
        lowest, *others = self.layers
        x = lowest(*inputs, **named)
        for layer in others:
            x = layer(x)
        return x

    def _build(self) -> None:
        """Let layers infer their input size from the layers below, if the lowest one has an input size."""
        sample = self._sample()
        if sample is not None and any(is_lazy(weight) for weight in self.parameters()):
            with evaluating(self), torch.no_grad():
                self(sample)

    def _sample(self) -> Tensor | None:
        """Return an input of the right shape, if the lowest layer defines one."""
        lowest = self.layers[0]
        if isinstance(lowest, TheHydra):
            return lowest.weight.new_zeros(1, lowest.input_length or 1, dtype=torch.long)
        shape = getattr(lowest, "input_shape", None)
        return None if shape is None else next(lowest.parameters()).new_zeros(1, *shape)
