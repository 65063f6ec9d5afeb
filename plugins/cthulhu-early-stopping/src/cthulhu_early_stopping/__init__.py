"""EarlyStopping: stop training when a monitored quantity no longer improves."""

from cthulhu_early_stopping.early_stopping import EarlyStopping

__all__ = ["EarlyStopping"]
