"""Write a new package with a callback, tested and ready to install.

It has a pyproject.toml with the entry point, a callback that summarises a training, tests that include the standard
tests of every callback, README, CHANGELOG, LICENSE, noxfile.py and a workflow for CI. Change whatever you like; the
callback shows what a callback can declare.

  cthulhu new cthulhu-slack               folder cthulhu-slack, module cthulhu_slack, callback Slack
  cthulhu new cthulhu-slack --official    the same as a package of the cthulhu repository, in its plugins/
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

OFFICIAL_STEPS = """\
{folder}: {files} files, with the callback {klass}. To make it a package of this repository, add

  {distribution} to the extra `all` in pyproject.toml, and {klass} to the table in README.md,
  {module} to root_packages and the contracts of [tool.importlinter] in pyproject.toml,
  {klass} to OFFICIAL in cthulhu_core/installed/registry.py and to cthulhu/callbacks.py,
  a picture to docs/pictures, and its caption to captions.yml.

Then run

  ruff check --fix {folder}
  nox -s lint types "plugin({distribution})" together docs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name, ``--folder`` and ``--official``."""
    parser.add_argument("name", metavar="NAME", help="e.g. cthulhu-slack; it need not begin with cthulhu-")
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder to write to (default: the current one)")
    parser.add_argument(
        "--official", action="store_true", help="write a package of the cthulhu repository, whose root is --folder"
    )


def run(options: argparse.Namespace) -> int:
    """Write the package, and print the next steps."""
    from cthulhu_core.authoring.scaffold import Names, RefusedName, plugins_of_checkout, write

    try:
        names = Names.of(options.name)
        parent = plugins_of_checkout(options.folder) if options.official else options.folder
        files = write(names, parent, options.official)
    except (RefusedName, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.folder}: {error.strerror}: choose a writable folder with --folder", file=sys.stderr)
        return 1
    folder = parent / names.distribution
    if options.official:
        print(OFFICIAL_STEPS.format(folder=folder, files=len(files), **names._asdict()))
        return 0
    check = f"cthulhu check {names.distribution}"
    width = max(len(check), len('pip install -e ".[test]"'))
    print(f"""\
{folder}: {len(files)} files, with the callback {names.klass}. Next:

  cd {shlex.quote(str(folder))}
  {'pip install -e ".[test]"':{width}}  # now `from cthulhu.callbacks import {names.klass}` works
  {"pytest":{width}}  # its tests, and the standard tests of callbacks
  {check:{width}}  # problems that its users would have
  {"pip install nox uv && nox":{width}}  # everything that its CI runs

{names.klass} summarises a training. Make it do what you have in mind, in
  {folder}/src/{names.module}/{names.file}.py
  {folder}/tests/test_{names.file}.py""")
    return 0
