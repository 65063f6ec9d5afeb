"""The entry point of ``cthulhu``, which runs one of the commands."""

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
    """A module of this package that is a command; its docstring is its help."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""

    def run(self, options: argparse.Namespace) -> int:
        """Run the command, and return the exit status."""


COMMANDS: dict[str, Command] = {"check": check, "explain": explain, "new": new, "plugins": plugins}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the arguments after ``cthulhu``; by default, those of the process.

    Returns:
        The exit status: 0 for success, 1 for a failure, with a line that says why.

    Raises:
        SystemExit: for ``--help``, ``--version``, and invalid arguments (status 2).

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
        epilog="Run 'cthulhu COMMAND --help' for details of a command.",
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
