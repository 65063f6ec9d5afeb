"""The command line: help, version, and what it starts with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cthulhu_core import __version__
from cthulhu_core.cli.main import COMMANDS, main


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"cthulhu-core {__version__}\n"


def test_without_a_command_the_help_is_printed(capsys):
    assert main([]) == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("usage: cthulhu [-h] [--version] COMMAND ...\n")
    assert "    plugins   list the installed callbacks and plugins\n" in help_text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_says_what_it_does(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command].__doc__.splitlines()[0] in capsys.readouterr().out


def test_unknown_command_is_an_error_that_names_those_there_are(capsys):
    with pytest.raises(SystemExit) as end:
        main(["plugin"])
    assert end.value.code == 2
    assert "invalid choice: 'plugin' (choose from " in capsys.readouterr().err


def test_installed_command_and_module_are_the_same():
    command = Path(sys.executable).with_name("cthulhu")
    outputs = [
        subprocess.run([*start, "plugins", "--json"], check=True, capture_output=True, text=True).stdout
        for start in ([str(command)], [sys.executable, "-m", "cthulhu"])
    ]
    assert outputs[0] == outputs[1]
