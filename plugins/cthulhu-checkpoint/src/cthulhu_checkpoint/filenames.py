"""The file names that a ``filepath`` with placeholders stands for."""

from __future__ import annotations

import difflib
import os
import re
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple


class Field(NamedTuple):
    """A placeholder."""

    name: str
    text: str
    """Its text in ``filepath``, e.g. ``{val_loss:.2f}``."""
    nested: tuple[str, ...]
    """Names of the placeholders inside its format, as in ``{val_loss:.{digits}f}``."""


class Filenames:
    """The file names that a ``filepath`` with placeholders stands for.

    Args:
        filepath: path with named placeholders of ``str.format``, e.g. ``"w.{epoch:02d}-{val_loss:.2f}.hdf5"``.

    Attributes:
        text: ``filepath`` as a string.
        names: the names of its placeholders.
        folder: the folder before the first placeholder. All files are in it or below it.

    Raises:
        TypeError: If ``filepath`` is not a path.
        ValueError: If a placeholder has no name, its format does not fit its value, or a brace is unmatched.

    Example:
        >>> names = Filenames("run/w.{epoch:02d}-{val_loss:.2f}.hdf5")
        >>> names.fill(1, {"val_loss": 0.25}), names.latest
        ('run/w.02-0.25.hdf5', 'run/w.latest.hdf5')
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        text = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else None
        if not isinstance(text, str):
            raise TypeError(f"LumpCheckpoint(filepath={filepath!r}): expected a path, e.g. 'run/weights.hdf5'")
        self.text = text
        try:
            self._fields = list(_fields(text))
        except ValueError as error:
            raise self._error(f"{error}: braces enclose a name; double them for literal braces") from None
        self.names = list(dict.fromkeys(name for field in self._fields for name in (field.name, *field.nested)))
        for name in self.names:
            if not name or name.isdigit():
                raise self._error(
                    f"a placeholder without a name, {{{name}}}: name what it is filled with, e.g. {{epoch:02d}}"
                )
        # Only epoch has the same type in every run.
        self.check_formats({"epoch": [1]})
        before = _before_the_first_field(text)
        self.folder, self._start = os.path.split(before)
        self._folder_text = before[: len(before) - len(self._start)]

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"LumpCheckpoint(filepath={self.text!r}): {problem}")

    # --- what can fill them, before training -------------------------------------------------------------------------

    def check_formats(self, examples: Mapping[str, Iterable[Any]]) -> None:
        """Check that each placeholder can format at least one of the ``examples`` of its name.

        Raises:
            ValueError: If one cannot.
        """
        for field in self._fields:
            if field.nested or field.name not in examples:
                continue
            problems = []
            for example in examples[field.name]:
                try:
                    _formatter.vformat(field.text, (), {field.name: example})
                except (ValueError, TypeError) as error:
                    problems.append(error)
                else:
                    break
            else:
                better = f"{{{field.name}:{'02d' if field.name == 'epoch' else '.2f'}}}"
                raise self._error(f"{field.text} cannot be filled ({problems[0]}): expected a format like {better}")

    def check_names(self, planned: Collection[str]) -> None:
        """Check that the name of each placeholder is in ``planned``, the names that epochs will log.

        Raises:
            ValueError: If one is not. The message lists the available names.
        """
        for name in self.missing(planned):
            known = f"The names of this run are {', '.join(['epoch', *planned])}"
            if name.removeprefix("val_") in planned:
                cure = "pass validation_data or validation_split"
                raise self._error(f"{name!r} is only logged with validation: {cure}. {known}")
            close = difflib.get_close_matches(name, ["epoch", *planned], n=1, cutoff=0.5)
            raise self._error(f"nothing logs {name!r}{f', did you mean {close[0]}?' if close else '.'} {known}")

    # --- filling them ------------------------------------------------------------------------------------------------

    def missing(self, logs: Collection[str]) -> list[str]:
        """Return the names of placeholders that are not in ``logs``."""
        return [name for name in self.names if name != "epoch" and name not in logs]

    def fill(self, epoch: int, logs: Mapping[str, Any]) -> str:
        """Return the file name of ``epoch``, which counts from 0 here and from 1 in the name.

        Raises:
            ValueError: If a logged value does not fit the format of its placeholder.
        """
        try:
            return _formatter.vformat(self.text, (), {**logs, "epoch": epoch + 1})
        except (ValueError, TypeError) as error:
            values = ", ".join(f"{name} {logs[name]!r}" for name in self.names if name != "epoch")
            raise self._error(f"cannot be filled with {values}: {error}") from None

    @property
    def example(self) -> str:
        """Return an example of a file name, with made-up values."""
        # Use the names as values, because a format may need a value of any type.
        return "".join(before + (field.name if field else "") for before, field in _parts(self.text))

    @property
    def latest(self) -> str:
        """Return the file name for states in the middle of epochs: the part before the placeholders, and latest."""
        suffix = PurePath(self.example).suffix
        start = self._start.rstrip("._- ") if self._fields else PurePath(self._start).stem
        return self._folder_text + (f"{start}.latest{suffix}" if start else f"latest{suffix}")

    # --- names to be remembered --------------------------------------------------------------------------------------

    def within(self, filled: str) -> str:
        """Return the part of a filled name after the folder."""
        return filled[len(self._folder_text) :]

    def path(self, within: str) -> Path:
        """Return the path for a result of :meth:`within`."""
        return Path(self._folder_text + within)

    def could_give(self, within: str) -> bool:
        """Return whether filling the placeholders can result in ``within``."""
        pattern = "".join(
            re.escape(before) + (r"[^/\\]*" if field else "") for before, field in _parts(self.text)
        ).removeprefix(re.escape(self._folder_text))
        return re.fullmatch(pattern, within) is not None and ".." not in PurePath(within).parts


class _Formatter(string.Formatter):
    """Uses the whole text before the colon as the name, because metrics may have any characters in their names."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return kwargs[field_name], field_name


_formatter = _Formatter()


def _parts(text: str) -> Iterator[tuple[str, Field | None]]:
    """Yield the text before each placeholder, and the placeholder."""
    for before, name, form, conversion in _formatter.parse(text):
        if name is None:
            yield before, None
            continue
        nested = tuple(inner for _, inner, _, _ in _formatter.parse(form or "") if inner is not None)
        written = f"{{{name}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}}}"
        yield before, Field(name, written, nested)


def _fields(text: str) -> Iterator[Field]:
    return (field for _, field in _parts(text) if field is not None)


def _before_the_first_field(text: str) -> str:
    before = ""
    for literal, field in _parts(text):
        before += literal
        if field is not None:
            break
    return before
