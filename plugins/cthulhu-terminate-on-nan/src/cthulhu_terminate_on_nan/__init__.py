"""TerminateOnNaN: stop training when the loss is not a finite number."""

from cthulhu_terminate_on_nan.terminate import TerminateOnNaN

__all__ = ["TerminateOnNaN"]
