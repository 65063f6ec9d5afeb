"""The documented layers: PyTorch's layers with the arguments of Keras. Any module can be combined with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cthulhu_core.models.activations import Activation, activation, linear
from cthulhu_core.models.initializers import Initializer, initializer
from cthulhu_core.models.serialization.allowed import known_as


@known_as(
    "cthulhu.layers.Daoloth",
    {
        "units": "units", "input_shape": "input_shape", "activation": "activation_given", "use_bias": "bias",
        "kernel_initializer": "kernel_initializer_given", "bias_initializer": "bias_initializer_given", "name": "name",
    },
)  # fmt: skip
class Daoloth(nn.LazyLinear):
    """Densely connected layer: ``activation(inputs @ kernel + bias)``.

    If the number of inputs is not given, it is inferred from the first data, or from the layers below in a Pile.
    Inputs of shape (..., in), of any dtype, give outputs of shape (..., units). The ``weight`` has PyTorch's shape
    (units, in); :meth:`get_weights` returns the kernel of shape (in, units).

    Args:
        units: number of outputs.
        input_dim: number of inputs.
        input_shape: the same as a shape without the batch dimension, e.g. ``(784,)``.
        activation: name or function; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: name, or a function that fills a tensor in place.
        bias_initializer: the same for the bias.
        name: name of the layer in its Pile.

    Raises:
        ValueError: a size is not a positive integer, ``input_dim`` and ``input_shape`` contradict each other, or a
            name is unknown.

    Example:
        >>> Daoloth(10, input_dim=784, activation="relu")(torch.zeros(2, 784)).shape
        torch.Size([2, 10])
    """

    # Other lazy layers change their class when their size is known; this one does not.
    cls_to_become = None  # type: ignore[assignment]

    def __init__(
        self,
        units: int,
        input_dim: int | None = None,
        input_shape: Sequence[int] | None = None,
        activation: str | Activation | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        name: str | None = None,
    ) -> None:
        _positive(type(self).__name__, units=units)
        super().__init__(int(units), bias=use_bias)
        self.units = int(units)
        self.name = name
        # In __dict__, because an attribute would register a module a second time.
        self.__dict__["activation_given"] = activation
        self.kernel_initializer_given = kernel_initializer
        self.bias_initializer_given = bias_initializer
        self._activation = _activation(activation)
        self._kernel_initializer = initializer(kernel_initializer)
        self._bias_initializer = initializer(bias_initializer)
        self.input_shape = _input_shape(input_dim, input_shape)
        if self.input_shape is not None:
            self._learn_inputs(self.input_shape[-1])

    def _learn_inputs(self, number: int) -> None:
        """Set the number of inputs, as the first data would."""
        # Not by calling the layer, which would run the activation on made-up data.
        self._infer_parameters(self, (torch.empty(0, number),))

    @property
    def _learned_inputs(self) -> int | None:
        """The number of inputs, once it is known."""
        return None if self.has_uninitialized_params() else int(self.in_features)

    def reset_parameters(self) -> None:
        """Draw the initial weights again."""
        # PyTorch calls this from its constructor, before there is a size or an initializer.
        if self.has_uninitialized_params() or not hasattr(self, "_kernel_initializer"):
            return
        with torch.no_grad():
            self._kernel_initializer(self.weight)
            if self.bias is not None:
                self._bias_initializer(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``activation(input @ kernel + bias)``; integers and booleans are converted to numbers."""
        if not input.is_floating_point():
            input = input.to(self.weight.dtype)
        return self._activation(super().forward(input))

    def named_weights(self) -> dict[str, Tensor]:
        """Return views of ``kernel``, of shape (in, units), and ``bias``, of shape (units,), if there is one."""
        bias = self._parameters["bias"]
        kernel = self.weight.detach().t()
        return {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias.detach()}

    def get_weights(self) -> list[np.ndarray]:
        """Return the kernel of shape (in, units), and the bias of shape (units,) if there is one."""
        return _copies(self.named_weights())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set weights of the shapes that :meth:`get_weights` returns."""
        _set(self.named_weights(), weights)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={_name(self._activation)}"


@known_as("cthulhu.layers.Azatoth", {"activation": "activation_given", "name": "name"}, wrapper=True)
class Azatoth(nn.Module):
    """Applies an activation.

    Args:
        activation: name or function from tensor to tensor.
        name: name of the layer in its Pile.

    Raises:
        ValueError: the name is unknown.

    Example:
        >>> Azatoth("softmax")(torch.zeros(1, 4))
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def __init__(self, activation: str | Activation, name: str | None = None) -> None:
        super().__init__()
        self.name = name
        # In __dict__, because an attribute would register a module a second time.
        self.__dict__["activation_given"] = activation
        self._activation = _activation(activation)

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, elementwise or over the last dimension."""
        return self._activation(input)

    def extra_repr(self) -> str:
        return _name(self._activation)


@known_as(
    "cthulhu.layers.TheHydra",
    {
        "input_dim": "num_embeddings", "output_dim": "embedding_dim", "input_length": "input_length",
        "embeddings_initializer": "embeddings_initializer_given", "name": "name",
    },
)  # fmt: skip
class TheHydra(nn.Embedding):
    """Embedding that maps integers in [0, input_dim) to vectors of ``output_dim`` numbers.

    Inputs of shape (...), of an integer dtype (or floats that hold integers), give outputs of shape
    (..., output_dim).

    Args:
        input_dim: number of different integers.
        output_dim: size of a vector.
        embeddings_initializer: name, or a function that fills a tensor in place.
        input_length: number of integers in a sample, where it is constant.
        name: name of the layer in its Pile.

    Raises:
        ValueError: a size is not a positive integer, or a name is unknown.

    Example:
        >>> TheHydra(1000, 8)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: str | Initializer = "uniform",
        input_length: int | None = None,
        name: str | None = None,
    ) -> None:
        _positive(type(self).__name__, input_dim=input_dim, output_dim=output_dim)
        self.embeddings_initializer_given = embeddings_initializer
        self._initializer = initializer(embeddings_initializer)
        super().__init__(int(input_dim), int(output_dim))
        self.name = name
        self.input_length = input_length

    def reset_parameters(self) -> None:
        """Draw the initial vectors again."""
        with torch.no_grad():
            self._initializer(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors of ``input``."""
        return super().forward(input if input.dtype in (torch.int64, torch.int32) else input.long())

    def named_weights(self) -> dict[str, Tensor]:
        """Return a view of ``embeddings``, of shape (input_dim, output_dim)."""
        return {"embeddings": self.weight.detach()}

    def get_weights(self) -> list[np.ndarray]:
        """Return the vectors, of shape (input_dim, output_dim)."""
        return _copies(self.named_weights())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set weights of the shape that :meth:`get_weights` returns."""
        _set(self.named_weights(), weights)


def _positive(layer: str, **sizes: Any) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{layer}: {name} is {size!r}: expected an integer of at least 1")


def _input_shape(input_dim: int | None, input_shape: Sequence[int] | None) -> tuple[int, ...] | None:
    if input_dim is not None:
        _positive("Daoloth", input_dim=input_dim)
    if input_shape is None:
        return None if input_dim is None else (int(input_dim),)
    shape = tuple(input_shape)
    if not shape or (input_dim is not None and shape[-1] != input_dim):
        raise ValueError(f"Daoloth: input_shape is {shape}, input_dim {input_dim}: expected e.g. input_shape=(784,)")
    _positive("Daoloth", **{"input_shape[-1]": shape[-1]})
    return shape


def _activation(given: str | Activation | None) -> Activation:
    # PyTorch's own are used by name, because then they keep their logits for the loss.
    if isinstance(given, nn.Softmax) and given.dim == -1:
        given = "softmax"
    elif isinstance(given, nn.Sigmoid) or given in (torch.sigmoid, functional.sigmoid):
        given = "sigmoid"
    return activation(given)


def _name(function: Activation) -> str:
    return "none" if function is linear else getattr(function, "__name__", repr(function))


def _copies(views: Mapping[str, Tensor]) -> list[np.ndarray]:
    return [np.array(view.cpu().numpy(), order="C") for view in views.values()]


def _set(views: Mapping[str, Tensor], weights: Sequence[Any]) -> None:
    """Copy ``weights`` into views of the same shapes."""
    given = [torch.as_tensor(np.asarray(weight)) for weight in weights]
    shapes, expected = ([tuple(each.shape) for each in tensors] for tensors in (given, views.values()))
    if shapes != expected:
        raise ValueError(f"weights of shapes {shapes} do not fit: expected {expected}")
    for view, weight in zip(views.values(), given, strict=True):
        view.copy_(weight)
