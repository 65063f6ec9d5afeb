"""Counts reads of tensors. On a GPU, each read makes Python wait for everything that was launched before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.hookspecs import hookimpl

READERS = ("item", "tolist", "__float__", "__bool__", "__int__", "__index__", "cpu", "numpy", "__array__")


class DeviceReads(Callback):
    """Counts reads of tensors in each epoch, up to its validation or its end.

    It counts calls of the methods of ``torch.Tensor`` that return a number or host memory, on any device, in the thread
    that trains; other threads may wait. As the first callback of a run, it counts the reads of all others, too.

    Args:
        monkeypatch: restores the methods.

    Attributes:
        reads: the names of the methods, in the order of their calls.

    Example:
        >>> reads = DeviceReads(monkeypatch)
        >>> _ = model.summon(X_train, Y_train, verbose=0, callbacks=[reads])
        >>> reads.reads
        []
    """

    logged = ()

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from torch import Tensor

        self.reads: list[str] = []
        self._counting, self._training = False, 0
        for name in READERS:
            monkeypatch.setattr(Tensor, name, self._counted(name, getattr(Tensor, name)))

    def _counted(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def counted(tensor: Any, *arguments: Any, **named: Any) -> Any:
            if self._counting and threading.get_ident() == self._training:
                self.reads.append(name)
                # `__float__` may call `item`, which is one read.
                self._counting = False
                try:
                    return read(tensor, *arguments, **named)
                finally:
                    self._counting = True
            return read(tensor, *arguments, **named)

        return counted

    @hookimpl
    def cthulhu_epoch_begin(self) -> None:
        self._counting, self._training = True, threading.get_ident()

    @hookimpl
    def cthulhu_test_begin(self) -> None:
        self._counting = False

    # A wrapper, because BaseLogger comes first, and may read its averages at the end of an epoch.
    @hookimpl(wrapper=True)
    def cthulhu_epoch_end(self) -> Iterator[None]:
        self._counting = False
        yield

    @hookimpl
    def cthulhu_exception(self) -> None:
        self._counting = False
