"""The graph of a model, and what stands in for it where it cannot be drawn."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cthulhu_core import inner
from cthulhu_tensorboard.isolated_call import isolated_call
from cthulhu_tensorboard.layers import call, tensors

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.tensorboard import SummaryWriter

TEXT = "graph"
"""The tag of the text that stands in for a graph."""


def write_graph(writer: SummaryWriter, model: nn.Module, inputs: Any) -> bool:
    """Write the graph of ``model``: what it does to these inputs in evaluation mode.

    The model is called beside its training and is afterwards as it was. Where the way through it depends on the
    inputs, the graph shows the way that these have taken. A model that cannot be traced gets its tree of modules as
    text (tag ``graph``).

    Args:
        writer: what writes it.
        model: the model; of a Lump that wraps a module, the module is drawn.
        inputs: a batch, as the model is called with it: a tensor, a list or tuple of them, or a dict by name.

    Returns:
        Whether there is a graph.

    Raises:
        OSError: the file cannot be written.

    Warns:
        UserWarning: the model cannot be traced; the reason, and what is written instead.

    Example:
        >>> write_graph(writer, nn.Linear(2, 1), torch.ones(4, 2))
        True
    """
    module = inner(model)
    try:
        _refuse(module)
        with isolated_call(module), _silence():
            writer.add_graph(*_traced(module, _own(inputs, module)))
    except OSError:  # it is the disk, not the model
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises while it is traced
        writer.add_text(TEXT, "\n".join(f"    {line}" for line in repr(module).splitlines()), 0)
        warnings.warn(
            f"TensorBoard: there is no graph of the model, because it cannot be traced ({_reason(error)}); its tree of "
            "modules is written as text. write_graph=False leaves out both",
            stacklevel=2,
        )
        return False
    return True


def _refuse(module: nn.Module) -> None:
    from torch.nn.parameter import is_lazy

    if any(hasattr(weight, "device_mesh") for weight in module.parameters()):
        # Whoever calls it waits for the other processes, and they do not call it.
        raise ValueError("each process holds a part of its weights")
    if any(is_lazy(weight) for weight in module.parameters()):
        # To trace it would give it its first weights, from random numbers that the training is to draw.
        raise ValueError("it has layers that wait for the first data to learn their sizes")


@contextlib.contextmanager
def _silence() -> Any:
    """Without what PyTorch says of tracing, which it also prints: of what matters of it, the caller is told."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _own(inputs: Any, module: nn.Module) -> Any:
    """Copies of the inputs, which the model may change in place, where the model is."""
    from torch import Tensor

    if isinstance(inputs, Tensor):
        weight = next(module.parameters(), inputs)
        return inputs.detach().to(weight.device, copy=True)
    if isinstance(inputs, Mapping):
        return {name: _own(part, module) for name, part in inputs.items()}
    if isinstance(inputs, (list, tuple)):
        return tuple(_own(part, module) for part in inputs)
    return inputs


def _traced(module: nn.Module, inputs: Any) -> tuple[Any, tuple[Any, ...]]:
    """The module traced in one call, and the inputs. The writer would call it thrice, and refuse it if they differ."""
    import torch

    names = list(inputs) if isinstance(inputs, Mapping) else None
    places = inputs if isinstance(inputs, tuple) else (inputs,) if names is None else tuple(inputs.values())
    return torch.jit.trace(_stand_in(module, names), places, strict=False, check_trace=False), places


def _stand_in(module: nn.Module, names: list[str] | None) -> nn.Module:
    """A module with the parts of ``module`` that calls it: takes inputs by place, gives tensors, has no properties.

    More the tracer does not understand; of a Lump it would read, and compile, the property that makes its optimizer.
    """
    from torch import nn

    def forward(self: nn.Module, *inputs: Any) -> Any:
        outputs = call(module, inputs if names is None else dict(zip(names, inputs, strict=True)))
        given = tuple(tensors(outputs).values())
        return given[0] if len(given) == 1 else given

    # The name of its class is that of the whole graph.
    stand_in: nn.Module = type(type(module).__name__, (nn.Module,), {"forward": forward})()
    for parts in ("_parameters", "_buffers", "_modules"):
        vars(stand_in)[parts] = vars(module)[parts]
    return stand_in.eval()


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    return f"{type(error).__name__}: {said if len(said) <= 200 else said[:200] + '...'}"
