"""ProgbarLogger: show the progress of training and its metrics on stdout."""

from cthulhu_progbar.logger import ProgbarLogger

__all__ = ["ProgbarLogger"]
