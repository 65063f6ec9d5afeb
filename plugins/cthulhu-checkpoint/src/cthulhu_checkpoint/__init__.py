"""LumpCheckpoint, and models in HDF5 files that Keras can read.

See ``plugin.py`` for the services that save and load files, ``layout.py`` for their layout, and ``lump_checkpoint.py``
for the callback.
"""

from cthulhu_checkpoint.lump_checkpoint import LumpCheckpoint
from cthulhu_checkpoint.saving import CheckpointWarning

__all__ = ["CheckpointWarning", "LumpCheckpoint"]
