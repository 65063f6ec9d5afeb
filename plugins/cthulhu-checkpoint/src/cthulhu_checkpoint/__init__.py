"""LumpCheckpoint, and models in HDF5 files that Keras reads, too.

plugin.py has the services for the files, layout.py their format, lump_checkpoint.py the callback.
"""

from cthulhu_checkpoint.lump_checkpoint import CheckpointWarning, LumpCheckpoint

__all__ = ["CheckpointWarning", "LumpCheckpoint"]
