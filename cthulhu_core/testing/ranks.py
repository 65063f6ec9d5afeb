"""Standard tests: what a callback does in the second process of a distributed training."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

from cthulhu_core.testing.subject import Subject, succeed
from cthulhu_core.testing.training import tiny_run
from cthulhu_core.testing.verdict import broken, shown
from cthulhu_core.testing.writes import watch_writes


@contextlib.contextmanager
def second_rank() -> Iterator[None]:
    """Let this process be the second of two, as far as anybody can ask. Two real ones are in processes.py."""
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
        # There is nobody whose gradients could be added to those of this process.
        patch.setattr(computation, "distributed", lambda model, device: model)
        # The first has nothing to add, and nothing to say.
        for collective in ("all_reduce", "broadcast"):
            patch.setattr(torch.distributed, collective, lambda *arguments, **named: None)
        yield


class Ranks(Subject):
    """What a callback does in the second process of a distributed training."""

    def test_second_rank_writes_nothing(self) -> None:
        """Files are written, and messages printed, by the main process alone."""
        printed = io.StringIO()
        tiny_run()  # what PyTorch writes when it first trains is no affair of the callback
        with second_rank():
            callback = self.make()
            with watch_writes() as writes, contextlib.redirect_stdout(printed):
                outcome = tiny_run(callback)
        succeed(callback, outcome, "in the second process of two", "take nothing for granted that rank 0 has made")
        found = [f"wrote {shown(path)}" for path in writes.paths]
        found += [f"printed {printed.getvalue()!r}"] if printed.getvalue() else []
        if found:
            broken(
                callback, "writes in every process of a distributed training",
                expected="one process writes, the main one", found="\n".join(found),
                cure="ranks = 'main' in its class; one that takes part everywhere asks self.run.is_main before it "
                "writes or prints",
            )  # fmt: skip
