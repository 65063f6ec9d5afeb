"""EarlyStopping: ends training when a monitored quantity has stopped improving."""

from cthulhu_early_stopping.early_stopping import EarlyStopping

__all__ = ["EarlyStopping"]
