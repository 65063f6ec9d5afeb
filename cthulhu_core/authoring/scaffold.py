"""A new package for a callback: the names derived from its own, and its files.

The files are in ``template/``: those of every package in ``common``, those of a repository of its own in
``standalone``, those of a package in this repository in ``official``. A file that is in two folders is joined.
"""

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

_TEMPLATES = Path(__file__).with_name("template")
_PROJECT = "The cthulhu authors"
_SUFFIX = ".template"
_LONGEST = 35
"""Characters in a name; longer ones would make lines of the files too long."""

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
"""Classes that the files import; a callback with such a name would hide them."""


class RefusedName(ValueError):
    """A name that no new package can have; the message says why and what to do."""


class Names(NamedTuple):
    """The names of a package and its parts.

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
        """Return the names of the package ``given``, which may contain spaces, dots or underscores as well.

        Raises:
            RefusedName: it is not a valid name, it is taken, or it has another meaning.

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


def write(names: Names, folder: Path, official: bool = False) -> list[Path]:
    """Write the package, completely or not at all, into a new folder with its name below ``folder``.

    Args:
        names: the names of the package.
        folder: the folder to write to.
        official: whether it becomes a part of this repository, whose root has the settings of all packages.

    Returns:
        The files, below ``folder``.

    Raises:
        FileExistsError: the folder of the package exists already.
        OSError: it cannot be written.
    """
    target = folder / names.distribution
    if target.exists():
        raise FileExistsError(f"{target} is there already: choose another name or --folder, or move it away")
    author = _PROJECT if official else _author() or f"The authors of {names.distribution}"
    templates = [_TEMPLATES / "common", _TEMPLATES / ("official" if official else "standalone")]
    with _beside(target) as partial:
        files = [
            _write(file, template, names, author, partial)
            for template in templates
            for file in sorted(template.rglob(f"*{_SUFFIX}"))
        ]
        partial.rename(target)
    return sorted({target / file for file in files})


def plugins_of_checkout(folder: Path) -> Path:
    """Return the folder of the packages in the checkout of this repository at ``folder``.

    Raises:
        RefusedName: ``folder`` is not the root of such a checkout.
    """
    project = folder / "pyproject.toml"
    if not project.is_file() or 'name = "cthulhu-core"' not in project.read_text(encoding="utf-8"):
        raise RefusedName(
            f"--official writes a package of the cthulhu repository: {folder.resolve()} is not the root of a checkout; "
            "change to it, name it with --folder, or leave out --official"
        )
    return folder / "plugins"


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir()
    try:
        yield partial
    finally:
        # Nothing is left after rename().
        shutil.rmtree(partial, ignore_errors=True)


def _write(source: Path, template: Path, names: Names, author: str, folder: Path) -> Path:
    from cthulhu_core.authoring.checks.metadata import requirement

    values = {
        **names._asdict(),
        "author": author,
        "author_quoted": json.dumps(author, ensure_ascii=False),
        "requirement": requirement(),
        "year": str(datetime.date.today().year),
    }
    relative = Template(source.relative_to(template).as_posix().removesuffix(_SUFFIX)).substitute(values)
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(Template(source.read_text(encoding="utf-8")).substitute(values))
    return Path(relative)


def _author() -> str:
    """Return the author's name in the settings of git; empty if there is none."""
    try:
        asked = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return ""
    return asked.stdout.strip()
