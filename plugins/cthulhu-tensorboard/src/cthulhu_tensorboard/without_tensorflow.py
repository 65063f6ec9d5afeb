"""torch's writers of summaries, imported without TensorFlow.

Where TensorFlow is installed, tensorboard works with its file functions, and importing torch's writers imports it:
seconds, and pages of messages. A module ``tensorboard.compat.notf`` is how tensorboard is told to take its own instead;
its distribution leaves that module out.
"""

from __future__ import annotations

import sys
from types import ModuleType

sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))

from torch.utils.tensorboard import FileWriter, SummaryWriter  # noqa: E402 - after what it depends on

__all__ = ["FileWriter", "SummaryWriter"]
