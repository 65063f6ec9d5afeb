"""The displays of progress: a line on a terminal, a widget in a notebook, lines in a file. Their text is in text.py.

tqdm draws the first two and is imported only for them.
"""

from __future__ import annotations

import os
import sys
from time import time
from typing import IO, Any, Protocol

from cthulhu_progbar.text import Progress, last_line, running_line


class Display(Protocol):
    """Shows one progress after another, each from its first :meth:`show` to its :meth:`end`."""

    running: bool
    """Whether it shows anything before the end."""

    def wants(self, progress: Progress) -> bool:
        """Return whether to show this progress. Its values are not read yet."""

    def show(self, progress: Progress) -> None:
        """Show the progress so far."""

    def clear(self) -> None:
        """Free the line for other output until the next :meth:`show`."""

    def end(self, progress: Progress) -> None:
        """Show the final progress, permanently."""


def choose(verbose: int) -> Display:
    """Return the display for the current standard output.

    Args:
        verbose: 1 for running progress, 2 for one line at the end.
    """
    stream = sys.stdout
    if verbose != 1:
        return Lines(stream, most=1)
    if _in_notebook():
        return Widget(stream)
    return TerminalLine(stream) if stream.isatty() else Lines(stream, most=4)


def _in_notebook() -> bool:
    """Return whether tqdm would draw a widget."""
    if "IPython" not in sys.modules:
        return False
    from tqdm.auto import tqdm
    from tqdm.notebook import tqdm_notebook

    return issubclass(tqdm, tqdm_notebook)


class TerminalLine:
    """A line that is redrawn at the current width of the terminal and finally replaced by a summary."""

    running = True

    def __init__(self, stream: IO[str]) -> None:
        from tqdm import tqdm

        class Line(tqdm):  # type: ignore[type-arg]  # only its stubs are generic
            # The callback decides when to draw, so tqdm needs no thread for it.
            monitor_interval = 0

        self._stream = stream
        self._tqdm = Line
        self._line: Any = None

    def wants(self, progress: Progress) -> bool:
        return True

    def show(self, progress: Progress) -> None:
        # Some terminals begin a new line after a character in the last column.
        columns = self._columns() - 1
        text = running_line(progress, columns)
        if self._line is None:
            self._line = self._tqdm(
                total=progress.total,
                initial=progress.done,
                file=self._stream,
                leave=False,
                ncols=columns,
                bar_format=text,
            )
            return
        line = self._line
        line.n, line.total, line.ncols, line.bar_format = progress.done, progress.total, columns, text
        line.refresh()

    def clear(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def end(self, progress: Progress) -> None:
        self.clear()
        columns = self._columns() - 1
        # Ctrl-C during a drawing leaves text in the line that tqdm does not know about.
        self._tqdm.write(f"\r{'':{columns}}\r{last_line(progress, columns)}", file=self._stream)
        self._stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


class Widget:
    """tqdm's widget in a notebook."""

    running = True

    def __init__(self, stream: IO[str]) -> None:
        from tqdm.notebook import tqdm_notebook

        self._stream = stream
        self._tqdm = tqdm_notebook
        self._widget: Any = None

    def wants(self, progress: Progress) -> bool:
        return True

    def show(self, progress: Progress) -> None:
        if self._widget is None:
            self._widget = self._tqdm(total=progress.total, file=self._stream)
        widget = self._widget
        # The first drawing, which creates the widget, may come long after the beginning.
        widget.n, widget.start_t = progress.done, time() - progress.seconds
        widget.set_description_str(progress.label, refresh=False)
        widget.set_postfix_str(", ".join(progress.values), refresh=False)
        widget.refresh()

    def clear(self) -> None:
        """Do nothing: other output appears below the widget."""

    def end(self, progress: Progress) -> None:
        self.show(progress)
        widget, self._widget = self._widget, None
        widget.close()


class Lines:
    """Lines of text for a file or a pipe, without control characters.

    Args:
        stream: the file or pipe.
        most: maximum number of lines for each progress. Lines before the last one are at least :attr:`QUIET` seconds
            apart, and each covers another of ``most`` equal parts.
    """

    QUIET = 10.0

    def __init__(self, stream: IO[str], most: int) -> None:
        self.running = most > 1
        self._stream = stream
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._written, self._part, self._seconds = 0, 0, 0.0

    def wants(self, progress: Progress) -> bool:
        if self._written >= self._most - 1:
            return False
        since = progress.seconds - self._seconds
        if progress.total is None:
            # Without a known length, the lines mark time, at growing intervals.
            return since >= self.QUIET * 6.0**self._written
        return since >= self.QUIET and self._part < self._part_of(progress) < self._most

    def _part_of(self, progress: Progress) -> int:
        return self._most * progress.done // progress.total if progress.total else 0

    def show(self, progress: Progress) -> None:
        self._written, self._part, self._seconds = self._written + 1, self._part_of(progress), progress.seconds
        self._write(progress)

    def clear(self) -> None:
        """Do nothing: written lines stay."""

    def end(self, progress: Progress) -> None:
        self._begin()
        self._write(progress)

    def _write(self, progress: Progress) -> None:
        print(last_line(progress), file=self._stream, flush=True)
