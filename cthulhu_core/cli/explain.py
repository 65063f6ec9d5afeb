"""Print the loop with everybody who takes part in it.

It is the loop of a training with verbose=1 here and now: what is installed, and what a configuration attaches, each
where it is called, and why. The callbacks of a script are not known here: they come after what plugins add, and before
what a configuration attaches. A script prints its own with run.explain().
"""

from __future__ import annotations

import argparse
import os
from types import SimpleNamespace
from typing import Any

from cthulhu_core.installed.config import VARIABLE
from cthulhu_core.run.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--config``."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"a TOML file as {VARIABLE} names it; by default the one that it names"
    )


def run(options: argparse.Namespace) -> int:
    """Print it."""
    if options.config is not None:
        os.environ[VARIABLE] = options.config
    model: Any = SimpleNamespace()
    Run(model, verbose=1).explain()
    return 0
