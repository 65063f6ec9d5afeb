"""Embeddings for TensorBoard's projector: the outputs of layers for chosen data. projector.py writes the files."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cthulhu_core import inner
from cthulhu_tensorboard import projector
from cthulhu_tensorboard.isolated_call import isolated_call
from cthulhu_tensorboard.labels import check_labels
from cthulhu_tensorboard.layers import call, modules, tensors, unknown
from cthulhu_tensorboard.samples import Samples

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_PROBE = 3
"""Number of samples with which to try the model before training, large enough to recognize outputs without samples."""


class Embeddings:
    """Writes the outputs of layers for ``data``: a vector for each sample.

    The model is called in evaluation mode, without any effect on its training. Outputs with more than two dimensions
    are flattened to one vector per sample. If a layer has several outputs or is called several times, the first counts.

    Args:
        names: names of layers, as in a Pile (``thehydra_1``) or dotted (``encoder.embed``). If empty, all ``TheHydra``
            and ``nn.Embedding`` layers.
        metadata: a file with a label for each sample, for all layers, or a dict from names of layers to files.
        data: array of shape (samples, ...), or a list or dict of arrays for several inputs.
        batch_size: number of samples per call of the model; 32 if None.

    Example:
        >>> embeddings = Embeddings(["thehydra_1"], "words.tsv", np.arange(1000).reshape(1000, 1))
        >>> embeddings.check(model)
        >>> embeddings.write(model, Path("logs/train"), step=0)
    """

    def __init__(
        self,
        names: Sequence[str] | None = None,
        metadata: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
        data: Any = None,
        batch_size: int | None = None,
    ) -> None:
        self._names = list(names or ())
        self._metadata = metadata
        self._data = data
        self._batch_size = batch_size or 32
        self._watched: list[str] = []
        self._copies: dict[tuple[Path, str | None], Path] = {}

    def check(self, model: nn.Module) -> None:
        """Check before training that there will be vectors, and a label for each.

        Raises:
            ValueError: If the data are missing or unusable, or the model cannot be called with them. If a layer is
                unknown or does not return a vector for each sample. If a file of labels is missing or has a different
                number of labels.

        Warns:
            UserWarning: If an embedding layer that was not named is left out, because it does not return a vector for
                each sample, such as a layer of positions.
        """
        samples, self._copies = Samples(self._data), {}
        known = modules(model)
        error = unknown(self._names, known, "embeddings_layer_names")
        if error is not None:
            raise error
        self._watched = list(self._names) or _embedding_layers(known)
        if not self._watched:
            raise ValueError(
                "embeddings_freq: the model has no TheHydra and no nn.Embedding layer: name the layers whose outputs "
                f"to write in embeddings_layer_names; expected some of {', '.join(known)}"
            )
        self._check_labels(len(samples), known)
        self._try(model, samples)

    def _check_labels(self, vectors: int, known: Mapping[str, nn.Module]) -> None:
        if isinstance(self._metadata, Mapping):
            error = unknown(self._metadata, known, "embeddings_metadata")
            if error is not None:
                raise error
            for name, path in self._metadata.items():
                if name not in self._watched:
                    raise ValueError(
                        f"embeddings_metadata names a file for {name!r}, whose output is not written (only those of "
                        f"{', '.join(self._watched)} are): add it to embeddings_layer_names"
                    )
                check_labels(path, vectors, f"embeddings_metadata[{name!r}] is {os.fspath(path)!r}")
        elif self._metadata is not None:
            check_labels(self._metadata, vectors, f"embeddings_metadata is {os.fspath(self._metadata)!r}")

    def _try(self, model: nn.Module, samples: Samples) -> None:
        """Call the model with a few samples, unless it is lazy and still needs data to learn its sizes."""
        from torch.nn.parameter import is_lazy

        if any(is_lazy(weight) for weight in model.parameters()):
            return
        rows = slice(0, min(len(samples), self._batch_size, _PROBE))
        with isolated_call(model):
            try:
                given = _outputs(model, self._watched, samples, rows)
            except Exception as error:
                raise ValueError(
                    f"embeddings_data: the model cannot be called with its first samples, of {samples}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        wrong = {name: why for name in self._watched if (why := _why_no_vectors(given.get(name), rows.stop))}
        if wrong and (self._names or len(wrong) == len(self._watched)):
            raise ValueError(_said(wrong))
        for name, why in wrong.items():
            self._watched.remove(name)
            warnings.warn(f"TensorBoard writes no embeddings of the layer {name!r}: {why}", stacklevel=3)

    def write(self, model: nn.Module, folder: str | os.PathLike[str], step: int) -> None:
        """Write the vectors of all layers at ``step``, the epoch from 0, to the folder of a run.

        Raises:
            ValueError: If a layer did not return a vector for each sample.
            OSError: If a file cannot be written.
        """
        import numpy as np

        folder, samples = Path(folder), Samples(self._data)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self._watched}
        with isolated_call(model):
            for start in range(0, len(samples), self._batch_size):
                rows = slice(start, min(start + self._batch_size, len(samples)))
                given = _outputs(model, self._watched, samples, rows)
                for name in self._watched:
                    why = _why_no_vectors(given.get(name), rows.stop - rows.start)
                    if why:
                        raise ValueError(_said({name: why}))
                    parts[name].append(_vectors(given[name]))
        for name, vectors in parts.items():
            projector.write(folder, name, step, np.concatenate(vectors), self._labels(folder, name))

    def _labels(self, folder: Path, name: str) -> Path | None:
        """Return the copy of the layer's file of labels in ``folder``, copying it on first use."""
        own = isinstance(self._metadata, Mapping)
        source = self._metadata.get(name) if isinstance(self._metadata, Mapping) else self._metadata
        if source is None:
            return None
        key = (folder, name if own else None)
        if key not in self._copies:
            self._copies[key] = projector.copy_metadata(source, *key)
        return self._copies[key]


def _embedding_layers(known: Mapping[str, nn.Module]) -> list[str]:
    from torch import nn

    return [name for name, module in known.items() if isinstance(module, nn.Embedding)]


def _outputs(model: nn.Module, names: Sequence[str], samples: Samples, rows: slice) -> dict[str, Any]:
    """Return the first output tensor of each layer for these samples. Layers without one are left out."""
    known, found = modules(model), dict[str, Any]()

    def hook(name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, outputs: Any) -> None:
            tensor = next(iter(tensors(outputs).values()), None)
            if tensor is not None:
                # A copy, because later layers may change the output in place.
                found.setdefault(name, tensor.detach().clone())

        return keep

    with contextlib.ExitStack() as hooks:
        for name in names:
            hooks.callback(known[name].register_forward_hook(hook(name)).remove)
        call(inner(model), samples.rows(rows, model))
    return found


def _why_no_vectors(output: Any, samples: int) -> str:
    """Return why the output is not a vector for each sample, or an empty string if it is."""
    if output is None:
        return "the model does not call it, or it returns no tensor"
    shape = tuple(output.shape)
    if not shape or shape[0] != samples:
        return f"for {samples} samples it returns a tensor of shape {shape}"
    return ""


def _said(wrong: Mapping[str, str]) -> str:
    return (
        f"embeddings_layer_names: {'; '.join(f'{name!r}: {why}' for name, why in wrong.items())}: expected layers that "
        "return a vector for each sample of embeddings_data; choose others"
    )


def _vectors(output: Any) -> np.ndarray:
    vectors: np.ndarray = output.reshape(len(output), -1).float().cpu().numpy()
    return vectors
