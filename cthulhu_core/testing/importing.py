"""Standard tests of importing a package and making its callback, which should do as little as possible."""

from __future__ import annotations

import functools
import threading

from cthulhu_core.authoring.checks.importing import Imported, find_out
from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.conformance import RefusedCallback, validate
from cthulhu_core.testing.failure_messages import broken, shown
from cthulhu_core.testing.leaks import open_files
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import tiny_run
from cthulhu_core.testing.writes import watch_writes


@functools.cache
def imported(module: str) -> Imported:
    """Import ``module`` in a process of its own, once for all tests."""
    return find_out([module])


class Importing(Subject):
    """Importing a package and making its callback do as little as possible."""

    def test_import_is_light(self) -> None:
        """Importing the module imports no package but itself and the core, so that command lines stay fast."""
        kind = type(self.make())
        found = imported(kind.__module__)
        for failure in found.failed.values():
            broken(
                kind, "cannot be imported in a fresh process", expected=f"import {kind.__module__}",
                found=failure, cure="move the callback to an installed module, out of the test file",
            )  # fmt: skip
        if places := {name: f"{file}:{line}" for name, file, line in found.others if name not in self.allowed_imports}:
            packages = list(places)
            broken(
                kind, f"imports {', '.join(packages)} when {kind.__module__} is imported",
                expected="the import loads only the standard library, cthulhu_core and the package itself",
                found="\n".join(f"{name}, by {place}" for name, place in places.items()),
                cure="import it in the function that uses it; if it is small, declare it in the test: "
                f"allowed_imports = {(*self.allowed_imports, *packages)!r}",
            )  # fmt: skip

    def test_import_does_nothing(self) -> None:
        """Importing the module prints nothing and starts no thread."""
        kind = type(self.make())
        found = imported(kind.__module__)
        if found.printed or found.threads:
            broken(
                kind, f"does something when {kind.__module__} is imported",
                expected="nothing is printed, and no thread is started",
                found=f"printed {found.printed!r}" if found.printed else f"{found.threads} more thread(s)",
                cure="do it in on_train_begin(), because commands import callbacks only to list them",
            )  # fmt: skip

    def test_run_takes_it(self) -> None:
        """Nothing in it is refused: hooks exist, their arguments are correct, declarations have known values."""
        callback = self.make()
        try:
            validate(callback)
        except RefusedCallback as error:
            broken(
                callback, "is rejected by every run", expected="existing hooks, with the arguments they provide",
                found=str(error), cure="correct the name, or remove what no hook calls",
            )  # fmt: skip

    def test_making_it_does_nothing(self) -> None:
        """It opens no file, starts no thread and writes nothing before training begins."""
        threads, files = threading.active_count(), open_files()
        with watch_writes() as writes:
            callback = self.make()
        opened = [target for number, target in open_files().items() if files.get(number) != target]
        found = [
            *(f"wrote {shown(path)}" for path in writes.paths),
            *(f"opened {shown(target)}" for target in opened),
            *(["started a thread"] if threading.active_count() > threads else []),
        ]
        if found:
            broken(
                callback, "does something in its constructor",
                expected="__init__() keeps its arguments, and touches nothing outside the instance",
                found="\n".join(found), cure="do it in on_train_begin(), because an instance may never be used",
            )  # fmt: skip

    def test_two_instances_share_nothing(self) -> None:
        """Training with one object changes neither another one nor their class."""
        callback, other = self.make(), self.make()
        before = _remembered(other)
        succeed(callback, tiny_run(callback), "in a training of two epochs", MEND)
        after = _remembered(other)
        if changed := [name for name in after if after[name] != before.get(name)]:
            broken(
                callback, "shares its state with other instances",
                expected="training with one instance does not change another one",
                found="\n".join(f"{name} was {before.get(name)} and is {after[name]}" for name in changed),
                cure="create lists and dicts in __init__() or on_train_begin(), not in the class body or as default "
                     "arguments",
            )  # fmt: skip


def _remembered(callback: object) -> dict[str, str]:
    """Return the attributes of ``callback`` and its classes by name."""
    held = {f"self.{name}": repr(value) for name, value in vars(callback).items()}
    for kind in type(callback).__mro__:
        if kind not in (Callback, object):
            held |= {
                f"{kind.__name__}.{name}": repr(value)
                for name, value in vars(kind).items()
                if isinstance(value, (list, dict, set, bytearray, int, float, str))
            }
    return held
