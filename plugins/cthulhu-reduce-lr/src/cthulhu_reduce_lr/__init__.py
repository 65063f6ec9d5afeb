"""ReduceLROnPlateau: lower the learning rate when a monitored quantity no longer improves."""

from cthulhu_reduce_lr.reduce_lr_on_plateau import ReduceLROnPlateau

__all__ = ["ReduceLROnPlateau"]
