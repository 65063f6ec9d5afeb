"""Standard tests of a callback in the second process of a distributed training."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

from cthulhu_core.testing.failure_messages import broken, shown
from cthulhu_core.testing.subject import Subject, succeed
from cthulhu_core.testing.training import tiny_run
from cthulhu_core.testing.writes import watch_writes


@contextlib.contextmanager
def second_rank() -> Iterator[None]:
    """Make this process look like the second of two. For two real processes, see ``processes.py``."""
    import torch.distributed

    from cthulhu_core.training import computation

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
            patch.setenv(name, value)
        patch.setattr(torch.distributed, "is_available", lambda: True)
        patch.setattr(torch.distributed, "is_initialized", lambda: True)
        patch.setattr(torch.distributed, "get_rank", lambda group=None: 1)
        patch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)
        patch.setattr(torch.distributed, "get_backend", lambda group=None: "gloo")
        distributed: Any = torch.distributed  # not all of its names are typed
        met = distributed.HashStore()
        patch.setattr(distributed.distributed_c10d, "_get_default_store", lambda: met)
        # There is no other process to reduce gradients with.
        patch.setattr(computation, "distributed", lambda model, device: model)
        # The first process contributes nothing.
        for collective in ("all_reduce", "broadcast"):
            patch.setattr(torch.distributed, collective, lambda *arguments, **named: None)
        yield


class Ranks(Subject):
    """A callback in the second process of a distributed training."""

    def test_second_rank_writes_nothing(self) -> None:
        """Only the main process writes files and prints messages."""
        printed = io.StringIO()
        tiny_run()  # files that PyTorch writes when it first trains
        with second_rank():
            callback = self.make()
            with watch_writes() as writes, contextlib.redirect_stdout(printed):
                outcome = tiny_run(callback)
        succeed(callback, outcome, "in the second process of two", "do not rely on anything that rank 0 created")
        found = [f"wrote {shown(path)}" for path in writes.paths]
        found += [f"printed {printed.getvalue()!r}"] if printed.getvalue() else []
        if found:
            broken(
                callback, "writes in every process of a distributed training",
                expected="only the main process writes", found="\n".join(found),
                cure="set ranks = 'main' in its class, or check self.run.is_main before it writes or prints",
            )  # fmt: skip
