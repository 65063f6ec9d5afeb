"""Histograms of weights, gradients and activations for TensorBoard. How values are counted is in tally.py."""

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
    """Writes histograms, and says once of each tag that it has values which no histogram can show.

    Args:
        writer: what writes them.

    Example:
        >>> histograms = Histograms(writer)
        >>> histograms.write(weights(model), step=0)
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer
        self._said: set[str] = set()

    def write(self, tallies: Mapping[str, BinCounts], step: int) -> None:
        """Write a histogram for each tag; none where there is no finite value.

        Warns:
            UserWarning: there are values that are not finite, the first time for each tag.
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
    """The weights of each layer, counted: ``daoloth_1/kernel``. Integers, which count and index, are left out.

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
    """Keeps the gradients of the last batch for which they were taken, whatever the loop does to them afterwards.

    They are copied, on their device: loops differ in when they set gradients to zero, and which batch is an epoch's
    last is known only when it has ended, because a stop may be asked for in any. The copies take as much memory as
    the gradients, and are written into the memory of the ones before.

    Example:
        >>> gradients = Gradients()
        >>> gradients.take(model)
        >>> list(gradients.counted(model))
        ['daoloth_1/kernel_grad', 'daoloth_1/bias_grad']
    """

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}

    def take(self, model: nn.Module) -> None:
        """Copy the gradients that there are now; to be called when they are whole, before the optimizer steps."""
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
        """The gradients that were taken last, counted, by their weights' tags with ``_grad``; none where none were."""
        return {f"{tag}_grad": _tally(self._kept[key]) for tag, key in _tags(model).items() if key in self._kept}

    def forget(self) -> None:
        """Keep nothing any longer."""
        self._kept = {}


def _alike(copy: Tensor, gradient: Tensor) -> bool:
    return (copy.shape, copy.dtype, copy.device, copy.layout) == (
        gradient.shape, gradient.dtype, gradient.device, gradient.layout,
    )  # fmt: skip


def _tags(model: nn.Module) -> dict[str, int]:
    """The tags of weights, each with the id of its parameter, which a layer may show in a layout of its own."""
    parameters = {(weight.data_ptr(), weight.numel()): id(weight) for weight in model.parameters()}
    keys = ((tag, (weight.data_ptr(), weight.numel())) for tag, weight in _tagged(model) if weight.numel())
    return {tag: parameters[key] for tag, key in keys if key in parameters}


class Activations:
    """Counts what the layers of a model give while it is watched, without keeping it.

    An output of one tensor has the tag ``<layer>_out``; of several, ``<layer>_out_0`` or ``<layer>_out_<key>``; what
    is not a tensor is left out. A layer that is called several times is counted each time.

    Args:
        model: the model.
        batch_size: how many samples of an output are counted at once; None for all. The result is the same.

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
        """Begin to count, from nothing."""
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
        """Stop, and give what was counted, in the order of the calls.

        Warns:
            UserWarning: no layer was called, as it is with a compiled model.

        Raises:
            Exception: what went wrong while counting, which the model was not told.
        """
        self.stop()
        tallies, self._tallies = self._tallies, {}
        if self._error is not None:
            raise self._error
        if not tallies:
            compiled = any("_orig_mod" in module._modules for module in self._model.modules())
            warnings.warn(
                "TensorBoard: there are no histograms of activations, because no layer of the model was called"
                + (": what torch.compile has made of it calls none" if compiled else ""),
                stacklevel=2,
            )
        return tallies

    def stop(self) -> None:
        """Take every hook off the model; to be called on every way out."""
        while self._handles:
            self._handles.pop().remove()
