"""LearningRateScheduler: the learning rate of each epoch, by a function."""

from cthulhu_lr_scheduler.scheduler import LearningRateScheduler

__all__ = ["LearningRateScheduler"]
