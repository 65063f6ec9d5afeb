"""Standard tests of logged values: a callback accepts any, and logs plain ones itself."""

from __future__ import annotations

import contextlib
import locale
from collections.abc import Iterator
from typing import Any

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.hookspecs import Logs
from cthulhu_core.testing.comparison import differences
from cthulhu_core.testing.failure_messages import broken
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import tiny_run, written_run

NAN, INFINITY = float("nan"), float("inf")

NAMES = ("потеря", "誤差 (平均)", "größe/μ", "a,b", "{loss}", "%s", 'quote"d')
"""Names that people give to metrics."""


class Values(Subject):
    """A callback accepts any logged values, and logs plain ones itself."""

    def test_values_that_are_not_finite_are_taken(self) -> None:
        """It accepts NaN and infinity; it may stop the training, but not with an exception."""
        callback = self.make()
        for value in (NAN, INFINITY, -INFINITY):
            values = {"loss": value, "mae": value}
            outcome = written_run(callback, [values] * 3, [values] * 3, ["loss", "mae"])
            succeed(
                callback, outcome, f"when the loss is {value}",
                "check math.isfinite(value) before converting it to an integer, dividing by it or asserting it",
            )  # fmt: skip

    def test_missing_values_are_taken(self) -> None:
        """It accepts epochs without validation, and without any value."""
        callback = self.make()
        loss = {"loss": 0.5}
        for epochs, validations in (
            ([loss] * 3, [None, loss, None]),  # as with validation_freq=2
            ([loss, {}, loss], [None] * 3),
            ([{}] * 2, [None] * 2),
        ):
            outcome = written_run(callback, epochs, validations)
            succeed(
                callback, outcome, "when a value is missing in the logs",
                "use logs.get(name), and continue without it; Monitor warns once about a missing name",
            )  # fmt: skip

    def test_names_in_any_script_are_taken(self) -> None:
        """Names of metrics are any text, and files are UTF-8 on every system."""
        callback = self.make()
        values = {"loss": 0.5, **dict.fromkeys(NAMES, 1.5)}
        with _plain_language():
            outcome = written_run(callback, [values] * 2, [values] * 2, list(values))
        succeed(
            callback, outcome, f"when metrics have names like {', '.join(NAMES)}",
            "open text files with encoding='utf-8', and put names into messages with f-strings, not with % or format()",
        )  # fmt: skip

    def test_it_logs_what_it_declares(self) -> None:
        """Names that it adds to the logs of an epoch are in ``logged``, unless that is None."""
        callback = self.make()
        declared = vars(type(callback)).get("logged")
        added = sorted({name for before, after in self._logs(callback) for name in after if name not in before})
        if declared is not None and not set(added) <= set(declared):
            broken(
                callback, f"logs {', '.join(name for name in added if name not in declared)} without declaring it",
                expected=f"only names that its class declares: logged = {declared!r}", found=", ".join(added),
                cure=f"logged = {tuple(added)!r}: callbacks that write tables need the names before training; set "
                     f"logged = None if they are unknown",
            )  # fmt: skip

    def test_it_logs_plain_values(self) -> None:
        """It logs Python numbers, not tensors or NumPy numbers."""
        callback = self.make()
        for before, after in self._logs(callback):
            for name, value in after.items():
                if name not in before and not _is_plain(value):
                    kind = f"{type(value).__module__}.{type(value).__qualname__}"
                    broken(
                        callback, f"logs a {kind}", expected="numbers of Python, text, or lists of them",
                        found=f"logs[{name!r}] = {value!r}", cure="float(value), value.tolist()",
                    )  # fmt: skip

    def test_values_of_others_stay(self) -> None:
        """It neither removes nor changes logs of other callbacks."""
        callback = self.make()
        for before, after in self._logs(callback):
            kept = {name: after[name] for name in before if name in after}
            if changed := differences(before, kept, ("before", "after")):
                broken(
                    callback, "changes logs of others",
                    expected="values of others are unchanged", found=changed,
                    cure="work on a copy, dict(logs), and add values only under new names",
                )  # fmt: skip

    def _logs(self, callback: Any) -> list[tuple[Logs, Logs]]:
        """Return the logs of each epoch before and after ``callback``."""
        before, after = Looks(), Looks()
        succeed(callback, tiny_run([before, callback, after]), "in a training of two epochs", MEND)
        return list(zip(before.seen, after.seen, strict=True))


class Looks(Callback):
    """Keeps a copy of the logs of each epoch."""

    logged = ()

    def __init__(self) -> None:
        self.seen: list[Logs] = []

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        self.seen.append(dict(logs))


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@contextlib.contextmanager
def _plain_language() -> Iterator[None]:
    """Use the locale of a system without one, in which files are ASCII by default."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
