"""Print the training loop with all its participants.

It shows a training with verbose=1 in this environment: installed plugins, and callbacks that a configuration attaches,
where they are called, and why. The callbacks of a script are not known here: they come after those that plugins add,
and before those of a configuration. A script prints its own loop with run.explain().
"""

from __future__ import annotations

import argparse
import os
from types import SimpleNamespace
from typing import Any

from cthulhu_core.installed.config import VARIABLE
from cthulhu_core.run.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument("--config", metavar="FILE", help=f"a TOML file (default: the one that {VARIABLE} names)")


def run(options: argparse.Namespace) -> int:
    """Print the loop."""
    if options.config is not None:
        os.environ[VARIABLE] = options.config
    model: Any = SimpleNamespace()
    Run(model, verbose=1).explain()
    return 0
