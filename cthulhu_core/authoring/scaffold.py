"""A new package for a callback: the names that follow from its own, and its files. The files are in template/."""

from __future__ import annotations

import builtins
import contextlib
import datetime
import importlib.util
import json
import keyword
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import NamedTuple

from cthulhu_core.installed.registry import CORE_NAMES, OFFICIAL, installed

_TEMPLATE = Path(__file__).with_name("template")
_SUFFIX = ".template"
_LONGEST = 35
"""Characters in a name: with more of them, lines of the files would be too long."""

_IN_TEMPLATE = {
    "Any",
    "Callable",
    "CallbackContract",
    "Daoloth",
    "Logs",
    "Monitor",
    "PackageContract",
    "Pile",
    "Run",
    "Sequence",
}
"""The classes that the files import: a callback of such a name would hide them."""


class RefusedName(ValueError):
    """No package can have this name; the message says why and what to do."""


class Names(NamedTuple):
    """What a package and its parts are called.

    Attributes:
        distribution: ``cthulhu-stop-when-good``, as pip knows it.
        module: ``cthulhu_stop_when_good``, as it is imported.
        file: ``stop_when_good``, the module with the callback.
        klass: ``StopWhenGood``, the callback.
    """

    distribution: str
    module: str
    file: str
    klass: str

    @classmethod
    def of(cls, given: str) -> Names:
        """The names of the package ``given``, which may be written with blanks, points or underscores as well.

        Raises:
            RefusedName: it is no name for a package, it is taken, or it names something that has another meaning.

        Example:
            >>> Names.of("cthulhu-stop-when-good").klass
            'StopWhenGood'
        """
        distribution = re.sub(r"[-_.\s]+", "-", given).lower()
        words = distribution.removeprefix("cthulhu-").split("-")
        names = cls(
            distribution,
            distribution.replace("-", "_"),
            "_".join(words),
            "".join(word[:1].upper() + word[1:] for word in words),
        )
        for reason in names._reasons_against():
            raise RefusedName(f"{given!r} cannot be the name of a new package: {reason}")
        return names

    def _reasons_against(self) -> Iterator[str]:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.distribution):
            yield "expected letters, digits and hyphens, e.g. cthulhu-slack"
        if len(self.distribution) > _LONGEST:
            yield f"it has {len(self.distribution)} characters; choose one of at most {_LONGEST}"
        for name in (self.module, self.file, self.klass):
            if not name.isidentifier() or keyword.iskeyword(name):
                yield f"its module or class would be called {name!r}, which Python does not allow: choose another one"
        if self.klass in OFFICIAL:
            yield f"{self.klass} is the callback in {OFFICIAL[self.klass]}: choose another one"
        if self.klass in CORE_NAMES or self.klass in _IN_TEMPLATE or hasattr(builtins, self.klass):
            yield f"its callback would be called {self.klass}, which is something else: choose another one"
        for record in installed():
            if (record.kind, record.name) == ("callback", self.klass):
                yield f"{record.package} is installed and offers {self.klass}: choose another one, or uninstall it"
        if self.module in sys.stdlib_module_names or importlib.util.find_spec(self.module) is not None:
            yield f"a module {self.module} can be imported already: choose another one, or uninstall it"


def write(names: Names, folder: Path) -> list[Path]:
    """Write the package, all of it or nothing, into a new folder of its name below ``folder``.

    Returns:
        The files, below ``folder``.

    Raises:
        FileExistsError: there is something of that name.
        OSError: it cannot be written.
    """
    target = folder / names.distribution
    if target.exists():
        raise FileExistsError(f"{target} is there already: choose another name or --folder, or move it away")
    with _beside(target) as partial:
        files = [_write(file, names, partial) for file in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}"))]
        partial.rename(target)
    return [target / file for file in files]


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir()
    try:
        yield partial
    finally:
        # After rename() there is nothing left.
        shutil.rmtree(partial, ignore_errors=True)


def _write(source: Path, names: Names, folder: Path) -> Path:
    from cthulhu_core.authoring.checks.metadata import requirement

    author = _author() or f"The authors of {names.distribution}"
    values = {
        **names._asdict(),
        "author": author,
        "author_quoted": json.dumps(author, ensure_ascii=False),
        "requirement": requirement(),
        "year": str(datetime.date.today().year),
    }
    relative = Template(source.relative_to(_TEMPLATE).as_posix().removesuffix(_SUFFIX)).substitute(values)
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Template(source.read_text(encoding="utf-8")).substitute(values), encoding="utf-8", newline="\n")
    return Path(relative)


def _author() -> str:
    """The name that git knows; empty where it knows none."""
    try:
        asked = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return ""
    return asked.stdout.strip()
