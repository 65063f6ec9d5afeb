"""Filenames: which names a ``filepath`` with placeholders gives. What is in the files, and when, is not said here."""

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
    """As it stands in ``filepath``, ``{val_loss:.2f}``."""
    nested: tuple[str, ...]
    """Names of the placeholders in its format, as in ``{val_loss:.{digits}f}``."""


class Filenames:
    """The names that a ``filepath`` with placeholders gives.

    Args:
        filepath: with named placeholders as ``str.format`` has them, e.g. ``"w.{epoch:02d}-{val_loss:.2f}.hdf5"``.

    Attributes:
        text: ``filepath`` as a string.
        names: the names in its placeholders.
        folder: the part before the first placeholder that names a folder, which is where all files are.

    Raises:
        TypeError: ``filepath`` is not a path.
        ValueError: a placeholder has no name, cannot hold what it names, or a brace has no other.

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
            raise self._error(f"{error}: braces enclose a name, and are doubled where they are meant") from None
        self.names = list(dict.fromkeys(name for field in self._fields for name in (field.name, *field.nested)))
        for name in self.names:
            if not name or name.isdigit():
                raise self._error(
                    f"a placeholder without a name, {{{name}}}: name what it is filled with, e.g. {{epoch:02d}}"
                )
        # Nothing but epoch is known to be of one type, whatever the run.
        self.check_formats({"epoch": [1]})
        before = _before_the_first_field(text)
        self.folder, self._start = os.path.split(before)
        self._folder_text = before[: len(before) - len(self._start)]

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"LumpCheckpoint(filepath={self.text!r}): {problem}")

    # --- what can fill them, before training -------------------------------------------------------------------------

    def check_formats(self, examples: Mapping[str, Iterable[Any]]) -> None:
        """See that each placeholder can hold one of the values that ``examples`` have for its name.

        Raises:
            ValueError: one cannot.
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
        """See that there is a name for every placeholder among ``planned``, all that epochs are going to log.

        Raises:
            ValueError: there is none; the message has the names that there are.
        """
        for name in self.missing(planned):
            known = f"The names of this run are {', '.join(['epoch', *planned])}"
            if name.removeprefix("val_") in planned:
                cure = "pass validation_data or validation_split"
                raise self._error(f"{name!r} is only logged where there is validation: {cure}. {known}")
            close = difflib.get_close_matches(name, ["epoch", *planned], n=1, cutoff=0.5)
            raise self._error(f"nothing logs {name!r}{f', did you mean {close[0]}?' if close else '.'} {known}")

    # --- filling them ------------------------------------------------------------------------------------------------

    def missing(self, logs: Collection[str]) -> list[str]:
        """The names in the placeholders that are not in ``logs``."""
        return [name for name in self.names if name != "epoch" and name not in logs]

    def fill(self, epoch: int, logs: Mapping[str, Any]) -> str:
        """The name of the file of ``epoch`` (from 0; in the name, from 1).

        Raises:
            ValueError: what is logged does not go with the format of its placeholder.
        """
        try:
            return _formatter.vformat(self.text, (), {**logs, "epoch": epoch + 1})
        except (ValueError, TypeError) as error:
            values = ", ".join(f"{name} {logs[name]!r}" for name in self.names if name != "epoch")
            raise self._error(f"cannot be filled with {values}: {error}") from None

    @property
    def example(self) -> str:
        """A name such as those that are going to be, with made-up values."""
        # Their own names, because a format may need a value of any type.
        return "".join(before + (field.name if field else "") for before, field in _parts(self.text))

    @property
    def latest(self) -> str:
        """The name of the one file for states in the middle of epochs: what is before the placeholders, and latest."""
        suffix = PurePath(self.example).suffix
        start = self._start.rstrip("._- ") if self._fields else PurePath(self._start).stem
        return self._folder_text + (f"{start}.latest{suffix}" if start else f"latest{suffix}")

    # --- names to be remembered --------------------------------------------------------------------------------------

    def within(self, filled: str) -> str:
        """What of a filled name stands after the folder."""
        return filled[len(self._folder_text) :]

    def path(self, within: str) -> Path:
        """The file that :meth:`within` gave ``within`` for."""
        return Path(self._folder_text + within)

    def could_give(self, within: str) -> bool:
        """Whether filling placeholders can give ``within``."""
        pattern = "".join(
            re.escape(before) + (r"[^/\\]*" if field else "") for before, field in _parts(self.text)
        ).removeprefix(re.escape(self._folder_text))
        return re.fullmatch(pattern, within) is not None and ".." not in PurePath(within).parts


class _Formatter(string.Formatter):
    """Takes the whole text before the colon for the name, whatever characters a metric has in its name."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return kwargs[field_name], field_name


_formatter = _Formatter()


def _parts(text: str) -> Iterator[tuple[str, Field | None]]:
    """The text before each placeholder, and the placeholder."""
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
