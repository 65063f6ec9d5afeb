"""Write a new package with a callback, tested and ready to be installed.

In it: pyproject.toml with the entry point, one callback that says how a training went, its tests, among them the
contract of all callbacks, README, CHANGELOG, LICENSE, noxfile.py and a workflow for CI. Everything is there to be
changed; the callback shows what can be said of one.

  cthulhu new cthulhu-slack    the folder cthulhu-slack, the module cthulhu_slack, the callback Slack
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The name, and ``--folder``."""
    parser.add_argument("name", metavar="NAME", help="e.g. cthulhu-slack; it need not begin with cthulhu-")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to make its folder; by default, here")


def run(options: argparse.Namespace) -> int:
    """Write it, and print what to type next."""
    from cthulhu_core.authoring.scaffold import Names, RefusedName, write

    try:
        names = Names.of(options.name)
        files = write(names, options.folder)
    except (RefusedName, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.folder}: {error.strerror}: name a folder that you may write to with --folder", file=sys.stderr)
        return 1
    folder = options.folder / names.distribution
    check = f"cthulhu check {names.distribution}"
    width = max(len(check), len('pip install -e ".[test]"'))
    print(f"""\
{folder}: {len(files)} files, with the callback {names.klass}. Next:

  cd {shlex.quote(str(folder))}
  {'pip install -e ".[test]"':{width}}  # now `from cthulhu.callbacks import {names.klass}` works
  {"pytest":{width}}  # its tests, and those that every callback has to pass
  {check:{width}}  # what would trouble its users
  {"pip install nox uv && nox":{width}}  # all that its CI will run

{names.klass} says how a training went. Make it do what you have in mind, in
  {folder}/src/{names.module}/{names.file}.py
  {folder}/tests/test_{names.file}.py""")
    return 0
