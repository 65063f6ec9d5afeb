"""ReduceLROnPlateau: lowers the learning rate when a monitored quantity has stopped improving."""

from cthulhu_reduce_lr.reduce_lr_on_plateau import ReduceLROnPlateau

__all__ = ["ReduceLROnPlateau"]
