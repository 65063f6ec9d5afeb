"""A writer, and what TensorBoard's own reader finds in what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import DEFAULT_SIZE_GUIDANCE, EventAccumulator
from torch.utils.tensorboard import SummaryWriter

ALL = dict.fromkeys(DEFAULT_SIZE_GUIDANCE, 0)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SummaryWriter]:
    writer = SummaryWriter(str(tmp_path / "train"))
    yield writer
    writer.close()


@pytest.fixture
def written(writer: SummaryWriter) -> Callable[[], EventAccumulator]:
    """``written()``: everything that ``writer`` has written so far."""

    def written() -> EventAccumulator:
        writer.flush()
        return EventAccumulator(writer.log_dir, size_guidance=ALL).Reload()

    return written
