"""The graph of a model, and a text in its place if the model cannot be traced."""

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
"""The tag of the text that replaces a graph."""


def write_graph(writer: SummaryWriter, model: nn.Module, inputs: Any) -> bool:
    """Write the graph of ``model`` for these inputs in evaluation mode.

    The call does not affect training. If the control flow of the model depends on the inputs, the graph shows the path
    of these inputs. If the model cannot be traced, its tree of modules is written as text (tag ``graph``).

    Args:
        writer: writer of the event file.
        model: the model. For a Lump that wraps a module, the graph shows the module.
        inputs: a batch of inputs: a tensor, a list or tuple of them, or a dict by name.

    Returns:
        Whether a graph was written.

    Raises:
        OSError: If the file cannot be written.

    Warns:
        UserWarning: If the model cannot be traced, with the reason.

    Example:
        >>> write_graph(writer, nn.Linear(2, 1), torch.ones(4, 2))
        True
    """
    module = inner(model)
    try:
        _refuse(module)
        with isolated_call(module), _silence():
            writer.add_graph(*_traced(module, _own(inputs, module)))
    except OSError:  # An error of the disk, not of the model.
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises while it is traced
        writer.add_text(TEXT, "\n".join(f"    {line}" for line in repr(module).splitlines()), 0)
        warnings.warn(
            f"TensorBoard cannot write the graph of the model, because it cannot be traced ({_reason(error)}), and "
            "writes its tree of modules as text. write_graph=False turns off both",
            stacklevel=2,
        )
        return False
    return True


def _refuse(module: nn.Module) -> None:
    from torch.nn.parameter import is_lazy

    if any(hasattr(weight, "device_mesh") for weight in module.parameters()):
        # The call would wait for the other processes, which do not make it.
        raise ValueError("it is sharded over processes")
    if any(is_lazy(weight) for weight in module.parameters()):
        # Tracing would initialize its weights with random numbers that belong to the training.
        raise ValueError("it has lazy layers, which learn their sizes from the first data")


@contextlib.contextmanager
def _silence() -> Any:
    """Hide PyTorch's warnings and output about tracing. The caller reports what matters."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _own(inputs: Any, module: nn.Module) -> Any:
    """Return copies of the inputs on the device of the model, which may change them in place."""
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
    """Trace the module in one call. The writer would call it three times, and reject it if the results differ."""
    import torch

    names = list(inputs) if isinstance(inputs, Mapping) else None
    places = inputs if isinstance(inputs, tuple) else (inputs,) if names is None else tuple(inputs.values())
    return torch.jit.trace(_stand_in(module, names), places, strict=False, check_trace=False), places


def _stand_in(module: nn.Module, names: list[str] | None) -> nn.Module:
    """Return a plain module around ``module``: positional inputs, tensors as outputs, no properties.

    The tracer supports nothing else. In a Lump it would read, and compile, the property that creates its optimizer.
    """
    from torch import nn

    def forward(self: nn.Module, *inputs: Any) -> Any:
        outputs = call(module, inputs if names is None else dict(zip(names, inputs, strict=True)))
        given = tuple(tensors(outputs).values())
        return given[0] if len(given) == 1 else given

    # The name of the class becomes the name of the graph.
    stand_in: nn.Module = type(type(module).__name__, (nn.Module,), {"forward": forward})()
    for parts in ("_parameters", "_buffers", "_modules"):
        vars(stand_in)[parts] = vars(module)[parts]
    return stand_in.eval()


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    return f"{type(error).__name__}: {said if len(said) <= 200 else said[:200] + '...'}"
