"""A real terminal for tests: a pseudo-terminal of a given width, a program that runs in it, and what it shows."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_BEGIN = """
import fcntl, signal, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born deaf to it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # this terminal's keys are for this program
"""


class Screen:
    """What a terminal of ``columns`` shows of what was written to it.

    Attributes:
        lines: what it shows.
        frames: what stood in the current line each time the cursor went back to its begin.
        errors: what the program wrote to stderr, which is not shown.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.frames: list[str] = []
        self.errors = ""
        self._row = self._column = 0

    def write(self, text: str) -> None:
        for token in re.findall(r"\x1b\[\d*[A-Za-z]|.", text, re.DOTALL):
            if token == "\r":
                self.frames.append(self.lines[self._row].rstrip())
                self._column = 0
            elif token == "\n":
                self._next_row()
            elif token == "\x1b[A":
                self._row = max(0, self._row - 1)
            else:
                assert token.isprintable(), f"a terminal was sent {token!r}"
                if self._column == self.columns:
                    self._next_row()
                    self._column = 0
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = line[: self._column] + token + line[self._column + 1 :]
                self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    @property
    def shown(self) -> list[str]:
        """The lines, without times, which differ from run to run."""
        return [without_times(line).rstrip() for line in self.lines]

    @property
    def drawn(self) -> list[str]:
        """The frames that differ from the one before, without times."""
        frames = [without_times(frame) for frame in self.frames if frame]
        return [frame for frame, before in zip(frames, ["", *frames], strict=False) if frame != before]


def without_times(line: str) -> str:
    """``line`` as if everything had taken no time."""
    return re.sub(r"\d+:\d\d", "0:00", re.sub(r"\d+\.\ds", "0.0s", line))


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., Screen]:
    """``terminal(code, columns)`` runs a program in it; ``keys={shown: pressed}`` presses keys at what it shows."""
    if sys.platform == "win32":
        pytest.skip("there are no pseudo-terminals here")
    import fcntl
    import pty
    import termios

    def run(code: str, columns: int, keys: dict[str, str] | None = None) -> Screen:
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # New lines come as they are written.
        attributes = termios.tcgetattr(inner)
        attributes[1] &= ~termios.OPOST
        # Ctrl-C throws away what is on its way to the terminal, which may be what the program writes because of it.
        attributes[3] = attributes[3] & ~termios.ECHO | termios.NOFLSH
        termios.tcsetattr(inner, termios.TCSANOW, attributes)
        program = tmp_path / "program.py"
        program.write_text(_BEGIN + code, encoding="utf-8")
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "CTHULHU_DISABLE": ""}
        errors = (tmp_path / "stderr").open("w+")
        command = [sys.executable, str(program)]
        process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=errors, start_new_session=True, env=environment
        )
        os.close(inner)
        written, pending = b"", dict(keys or {})
        with contextlib.suppress(OSError):  # what the end of a pseudo-terminal looks like
            while block := os.read(outer, 65536):
                written += block
                for shown in [shown for shown in pending if shown.encode() in written]:
                    os.write(outer, pending.pop(shown).encode())
        process.wait(timeout=60)
        os.close(outer)
        screen = Screen(columns)
        # A line ends with a step back to its begin, which the terminal adds when it is not told otherwise.
        screen.write(written.decode().replace("\n", "\r\n"))
        errors.seek(0)
        screen.errors = errors.read()
        errors.close()
        return screen

    return run
