"""LumpCheckpoint, and models in HDF5 files that Keras reads, too.

The services for these files are in ``plugin.py``, their layout in ``layout.py``, the callback in
``lump_checkpoint.py``.
"""

from cthulhu_checkpoint.lump_checkpoint import LumpCheckpoint
from cthulhu_checkpoint.saving import CheckpointWarning

__all__ = ["CheckpointWarning", "LumpCheckpoint"]
