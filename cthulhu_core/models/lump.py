"""A module that trains itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from cthulhu_core.checkpoints.weights import get_weights, set_weights
from cthulhu_core.installed import model_files
from cthulhu_core.installed.model_files import FilePath
from cthulhu_core.models.serialization.allowed import known_as
from cthulhu_core.models.summary import summary
from cthulhu_core.models.verbs import Verbs
from cthulhu_core.training.logits import keep_logits_of

if TYPE_CHECKING:
    import numpy as np


@known_as("cthulhu.models.Lump", {"module": "module"}, wrapper=True)
class Lump(Verbs):
    """A model that wraps a module, or is subclassed with its own ``forward``.

    It is a ``torch.nn.Module``, so everything in PyTorch works on it: ``.to(device)``, ``state_dict``,
    ``torch.compile``. Several inputs are a list or tuple, passed to ``forward`` as positional arguments, or a dict,
    passed as keyword arguments.

    Args:
        module: the module to wrap; leave it out in a subclass.

    Attributes:
        stop_training: a callback sets it to True to end training after the current batch and epoch.
        history: the :class:`History` of the current training, or of the last one.

    Example:
        >>> model = Lump(nn.Linear(2, 1))
        >>> model.conjure(optimizer="sgd", loss="mse")
        >>> history = model.summon(np.ones((8, 2)), np.ones(8), epochs=3, verbose=0)
        >>> len(history.history["loss"])
        3
    """

    _wraps_module = True  # see distributed/unwrap.py

    def __init__(self, module: nn.Module | None = None) -> None:
        super().__init__()
        if module is not None:
            if not isinstance(module, nn.Module):
                raise TypeError(f"Lump wraps a torch.nn.Module: got {module!r}")
            keep_logits_of(module)
            self.module = module

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the output of the wrapped module."""
        module = self._modules.get("module")
        if module is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no forward: write one, or wrap a module with Lump(module)"
            )
        return module(*inputs, **named)

    @property
    def layers(self) -> list[nn.Module]:
        """The children of the wrapped module, or the model's own."""
        module = self._modules.get("module")
        return list((module if module is not None else self).children()) or ([module] if module is not None else [])

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers, the shapes of their weights and their number of parameters."""
        print_fn(summary(self))

    def get_weights(self) -> list[np.ndarray]:
        """Return all weights as arrays; kernels of Daoloth have shape (in, units), as in Keras."""
        return get_weights(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set weights of the number and shapes that :meth:`get_weights` returns.

        Raises:
            ValueError: their number or shapes differ; nothing is changed.
        """
        set_weights(self, weights)

    def save(self, filepath: FilePath) -> None:
        """Save the whole model: weights, architecture, the arguments of ``conjure``, and the optimizer's state.

        The state of the current or last training is saved as well, for ``summon(resume_from=...)``.

        Raises:
            ImportError: no installed package saves files with this suffix; the message says which one to install.
        """
        model_files.save(self, filepath, weights_only=False, run=self._run)

    def save_weights(self, filepath: FilePath) -> None:
        """Save the weights. Raises the same errors as :meth:`save`."""
        model_files.save(self, filepath, weights_only=True, run=self._run)

    def load_weights(self, filepath: FilePath) -> None:
        """Load weights that :meth:`save_weights` or :meth:`save` wrote. Raises the same errors as :meth:`save`."""
        model_files.load_weights(self, filepath)
