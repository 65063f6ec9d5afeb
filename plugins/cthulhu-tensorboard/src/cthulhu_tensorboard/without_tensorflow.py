"""Import torch's summary writers without TensorFlow.

If TensorFlow is installed, tensorboard uses its file functions, so that importing torch's writers takes seconds and
prints pages of messages. A module named ``tensorboard.compat.notf``, which its distribution leaves out, makes it use
its own instead.
"""

from __future__ import annotations

import sys
from types import ModuleType

sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))

from torch.utils.tensorboard import FileWriter, SummaryWriter  # noqa: E402 - after what it depends on

__all__ = ["FileWriter", "SummaryWriter"]
