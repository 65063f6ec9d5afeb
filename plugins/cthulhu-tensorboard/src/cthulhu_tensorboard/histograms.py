"""Histograms of weights, gradients and activations for TensorBoard. See bin_counts.py for the counting."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cthulhu_core import Checkpoint
from cthulhu_tensorboard.bin_counts import BinCounts, histograms
from cthulhu_tensorboard.layers import layers, tensors

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle
    from torch.utils.tensorboard import SummaryWriter


class Histograms:
    """Writes histograms, and warns once per tag about values that no histogram can show.

    Args:
        writer: writer of the event file.

    Example:
        >>> histograms = Histograms(writer)
        >>> histograms.write(weights(model), step=0)
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer
        self._said: set[str] = set()

    def write(self, tallies: Mapping[str, BinCounts], step: int) -> None:
        """Write a histogram for each tag that has finite values.

        Warns:
            UserWarning: The first time that a tag has non-finite values.
        """
        found = histograms(list(tallies.values()))
        for tag, histogram in zip(tallies, found, strict=True):
            if histogram.num:
                self._writer.add_histogram_raw(
                    tag, histogram.min, histogram.max, histogram.num, histogram.sum, histogram.sum_squares,
                    histogram.upper, histogram.counts, step,
                )  # fmt: skip
            if histogram.not_finite and tag not in self._said:
                self._said.add(tag)
                warnings.warn(
                    f"TensorBoard: {histogram.not_finite} of {histogram.num + histogram.not_finite} values of {tag} "
                    f"are NaN or infinite at step {step}: its histogram shows the others",
                    stacklevel=2,
                )


def weights(model: nn.Module) -> dict[str, BinCounts]:
    """Count the weights of each layer: ``daoloth_1/kernel``. Integers, which are counters and indices, are left out.

    Example:
        >>> list(weights(Pile([Daoloth(1, input_dim=2)])))
        ['daoloth_1/kernel', 'daoloth_1/bias']
    """
    return {tag: _tally(weight) for tag, weight in _tagged(model)}


def _tagged(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for layer, named in Checkpoint.of(model, weights_only=True).weights.items():
        for name, weight in named.items():
            if weight.is_floating_point():
                yield f"{layer}/{name}", weight


def _tally(values: Tensor) -> BinCounts:
    tally = BinCounts()
    tally.add(values)
    return tally


class Gradients:
    """Keeps a copy of the gradients of the last batch.

    A copy on the device is needed because loops set gradients to zero at different times, and because only the end of
    the epoch shows which batch was its last: any batch may request a stop. The copies take as much memory as the
    gradients, and each reuses the memory of the one before.

    Example:
        >>> gradients = Gradients()
        >>> gradients.take(model)
        >>> list(gradients.counted(model))
        ['daoloth_1/kernel_grad', 'daoloth_1/bias_grad']
    """

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}

    def take(self, model: nn.Module) -> None:
        """Copy the current gradients. Call this when they are complete, before the step of the optimizer."""
        import torch

        found = {id(weight): weight.grad for weight in model.parameters() if weight.grad is not None}
        kept: dict[int, Tensor] = {}
        old: list[Tensor] = []
        new: list[Tensor] = []
        for key, gradient in found.items():
            copy = self._kept.get(key)
            if copy is None or gradient.is_sparse or not _alike(copy, gradient):
                kept[key] = gradient.detach().clone()
            else:
                kept[key] = copy
                old.append(copy)
                new.append(gradient.detach())
        if old:
            torch._foreach_copy_(old, new)
        self._kept = kept

    def counted(self, model: nn.Module) -> dict[str, BinCounts]:
        """Count the last gradients, by the tags of their weights plus ``_grad``."""
        return {f"{tag}_grad": _tally(self._kept[key]) for tag, key in _tags(model).items() if key in self._kept}

    def forget(self) -> None:
        """Drop the copies."""
        self._kept = {}


def _alike(copy: Tensor, gradient: Tensor) -> bool:
    return (copy.shape, copy.dtype, copy.device, copy.layout) == (
        gradient.shape, gradient.dtype, gradient.device, gradient.layout,
    )  # fmt: skip


def _tags(model: nn.Module) -> dict[str, int]:
    """Return the id of the parameter for each tag. A layer may expose its parameters in a layout of its own."""
    parameters = {(weight.data_ptr(), weight.numel()): id(weight) for weight in model.parameters()}
    keys = ((tag, (weight.data_ptr(), weight.numel())) for tag, weight in _tagged(model) if weight.numel())
    return {tag: parameters[key] for tag, key in keys if key in parameters}


class Activations:
    """Counts the outputs of a model's layers without keeping them.

    A single output tensor has the tag ``<layer>_out``; several have ``<layer>_out_0`` or ``<layer>_out_<key>``. Outputs
    that are not tensors are left out. Every call of a layer counts.

    Args:
        model: the model.
        batch_size: number of samples of an output to count at once, None for all. The result is the same.

    Example:
        >>> activations = Activations(model)
        >>> activations.watch()
        >>> model(inputs)
        >>> list(activations.counted())
        ['daoloth_1_out']
    """

    def __init__(self, model: nn.Module, batch_size: int | None = None) -> None:
        self._model = model
        self._batch_size = batch_size
        self._handles: list[RemovableHandle] = []
        self._tallies: dict[str, BinCounts] = {}
        self._error: Exception | None = None

    def watch(self) -> None:
        """Start to count, from zero."""
        self.stop()
        self._tallies, self._error = {}, None
        for name, layer in layers(self._model).items():
            self._handles.append(layer.register_forward_hook(self._hook(name)))

    def _hook(self, name: str) -> Any:
        def count(module: nn.Module, inputs: Any, outputs: Any) -> None:
            if self._error is not None:
                return
            try:
                for suffix, tensor in tensors(outputs).items():
                    tally = self._tallies.setdefault(f"{name}_out{suffix}", BinCounts())
                    for part in tensor.split(self._batch_size) if self._batch_size and tensor.ndim else [tensor]:
                        tally.add(part)
            except Exception as error:  # noqa: BLE001 - the model must not fail because it is looked at
                self._error = error

        return count

    def counted(self) -> dict[str, BinCounts]:
        """Stop, and return the counts in the order of the calls.

        Warns:
            UserWarning: If no layer was called, as with compiled models.

        Raises:
            Exception: If counting failed. The error did not reach the model.
        """
        self.stop()
        tallies, self._tallies = self._tallies, {}
        if self._error is not None:
            raise self._error
        if not tallies:
            compiled = any("_orig_mod" in module._modules for module in self._model.modules())
            warnings.warn(
                "TensorBoard cannot write histograms of activations, because no layer of the model was called"
                + (": what torch.compile has made of it calls none" if compiled else ""),
                stacklevel=2,
            )
        return tallies

    def stop(self) -> None:
        """Remove all hooks from the model. Call this on every exit."""
        while self._handles:
            self._handles.pop().remove()
