"""LearningRateScheduler: set the learning rate of each epoch with a function."""

from cthulhu_lr_scheduler.scheduler import LearningRateScheduler

__all__ = ["LearningRateScheduler"]
