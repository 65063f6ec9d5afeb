"""The object that pluggy holds for a participant: its hook implementations as functions."""

from __future__ import annotations

from collections.abc import Callable

from cthulhu_core.contract.callback import METHODS, Callback
from cthulhu_core.contract.conformance import is_overridden, marked
from cthulhu_core.contract.hookspecs import HOOKS, hookimpl

# pluggy reads argument names from the code object, so each signature needs a function of its own.
_BRIDGES: dict[tuple[str, ...], Callable[[Callable[..., None]], Callable[..., None]]] = {
    (): lambda method: lambda: method(),
    ("logs",): lambda method: lambda logs: method(logs),
    ("epoch", "logs"): lambda method: lambda epoch, logs: method(epoch, logs),
    ("batch", "logs"): lambda method: lambda batch, logs: method(batch, logs),
    ("batch",): lambda method: lambda batch: method(batch),
    ("error",): lambda method: lambda error: method(error),
}


class Bridge:
    """The hookimpls of a participant and, for a callback, a function for each overridden method.

    Attributes:
        methods: the method behind each of those functions, which a snapshot calls directly.
    """

    def __init__(self, plugin: object) -> None:
        self.methods: dict[Callable[..., None], Callable[..., None]] = {}
        if isinstance(plugin, Callback):
            for method, hook in METHODS.items():
                if is_overridden(plugin, method):
                    bridge = hookimpl(_BRIDGES[HOOKS[hook][1:]](getattr(plugin, method)))
                    self.methods[bridge] = getattr(plugin, method)
                    setattr(self, hook, bridge)
        for name in marked(plugin):
            setattr(self, name, getattr(plugin, name))

    def __dir__(self) -> list[str]:
        # pluggy inspects every attribute of what it registers, slowly.
        return [name for name in vars(self) if name != "methods"]
