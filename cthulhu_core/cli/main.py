"""``cthulhu``: finds the command that was asked for and runs it. What a command does stands in its own module."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from cthulhu_core.cli import check, explain, new, plugins
from cthulhu_core.installed.config import ConfigError
from cthulhu_core.installed.registry import PluginError
from cthulhu_core.version import __version__


class Command(Protocol):
    """What a module of this package has to have to be a command. Its docstring is its help."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say which arguments the command takes."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and return the exit status."""


COMMANDS: dict[str, Command] = {"check": check, "explain": explain, "new": new, "plugins": plugins}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what stands behind ``cthulhu``; by default, what the process was started with.

    Returns:
        The exit status: 0 when the command did what was asked, 1 when it could not, with a line that says why.

    Raises:
        SystemExit: for ``--help``, ``--version``, and arguments that no command takes (status 2).

    Example:
        >>> status = main(["plugins", "--json"])
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return COMMANDS[options.command].run(options)
    except (ConfigError, PluginError) as error:
        print(f"cthulhu {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cthulhu",
        description="Callbacks for PyTorch training, as packages.",
        epilog="'cthulhu COMMAND --help' says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"cthulhu-core {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        text = command.__doc__ or ""
        summary = text.partition("\n")[0]
        command.add_arguments(
            commands.add_parser(
                name,
                help=summary[:1].lower() + summary[1:].rstrip("."),
                description=text,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser
