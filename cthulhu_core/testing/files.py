"""Standard tests of where a callback writes, and what it does if it cannot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cthulhu_core.run.run import Run
from cthulhu_core.testing.disk import FailingDisk, contents, read_only
from cthulhu_core.testing.failure_messages import broken, described_error, shown
from cthulhu_core.testing.faults import At
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import Outcome, tiny_run
from cthulhu_core.testing.writes import watch_writes


class Files(Subject):
    """Where a callback writes, and what it does if it cannot."""

    def test_it_writes_nowhere_else(self) -> None:
        """It writes only below the current folder and where the test declares it: not at home, not next to its code."""
        tiny_run()  # files that PyTorch writes when it first trains
        with watch_writes() as writes:
            callback = self.make()
            outcome = tiny_run(callback)
        succeed(callback, outcome, "in a training of two epochs", MEND)
        if elsewhere := writes.outside(Path.cwd(), *self.may_write):
            broken(
                callback, "writes to an unexpected place",
                expected="files below the current folder, or at a path of the user",
                found="\n".join(map(shown, elsewhere)),
                cure="write to a path that the user gives, or declare it in the test: may_write = ('~/.cache/mine',)",
            )  # fmt: skip

    def test_folder_that_is_read_only_is_said_before_training(self) -> None:
        """An unwritable path ends the run before its first epoch, with an OSError that names it."""
        self._sizes_with_room()  # so that modules are imported: a user who may not write may not be able to read them
        callback = self.make()
        begun: list[int] = []
        with read_only(Path.cwd()):
            outcome = tiny_run([At("epoch_begin", lambda run: begun.append(1)), callback])
        expected = "nothing at all, or an OSError before the first epoch that names the path"
        cure = (
            "open the file, or create the folder, in on_train_begin(), and let the OSError through, or raise "
            "OSError(error.errno, 'what to do', path)"
        )
        error = outcome.error
        if error is not None and begun:
            broken(callback, "reports in the middle of training that it cannot write",
                   expected=expected, found=described_error(error), cure=cure)  # fmt: skip
        if error is not None and not (isinstance(error, OSError) and _names_a_path(error)):
            broken(callback, "does not name the path that cannot be written",
                   expected=expected, found=described_error(error), cure=cure)  # fmt: skip
        if error is None and outcome.forgiven:
            broken(callback, "starts a training that it cannot record",
                   expected=expected, found=described_error(outcome.forgiven[0]), cure=cure)  # fmt: skip

    def test_disk_that_is_full_ends_no_training_of_an_observer(self) -> None:
        """If the disk is full from the second epoch on, observers fail quietly, all others with an OSError."""
        callback = self.make()
        outcome, _, _ = self._fill_in_second_epoch(callback)
        error = outcome.error
        if error is not None and getattr(callback, "on_error", "raise") == "disable":
            broken(
                callback, "ends training when the disk is full", expected="an observer never ends training",
                found=described_error(error), cure="let exceptions through: on_error = 'disable' logs them and "
                                                   "continues",
            )  # fmt: skip
        if error is not None and not any(isinstance(each, OSError) for each in _chain(error)):
            broken(
                callback, "does not report that the disk is full", expected="an OSError", found=described_error(error),
                cure="let the OSError through, or raise yours from it: raise ... from error",
            )  # fmt: skip

    def test_disk_that_is_full_spoils_no_file(self) -> None:
        """Files on a full disk stay, and no incomplete ones appear."""
        whole = self._sizes_with_room()
        callback = self.make()
        _, before, after = self._fill_in_second_epoch(callback)
        # A background write that began earlier may finish now: hidden files come and go, and others may be new if
        # they are complete.
        spoilt = [
            f"{shown(path)} had {len(content)} bytes and " + (f"has {len(after[path])}" if path in after else "is gone")
            for path, content in before.items()
            if not after.get(path, b"").startswith(content) and not (_is_hidden(path) and path not in after)
        ]
        spoilt += [
            f"{shown(path)} is new, with {len(content)} bytes"
            for path, content in after.items()
            if path not in before and (_is_hidden(path) or len(content) < whole.get(path.relative_to(Path.cwd()), 1))
        ]
        if spoilt:
            broken(
                callback, "damages its files when the disk is full",
                expected="files are unchanged, or replaced as a whole",
                found="\n".join(spoilt),
                cure="from cthulhu_core import atomic_write: it writes beside the file, and renames",
            )  # fmt: skip

    def _fill_in_second_epoch(self, callback: Any) -> tuple[Outcome, dict[Path, bytes], dict[Path, bytes]]:
        """Train, and return the content of the folder before and after."""
        before: dict[Path, bytes] = {}

        def fill(run: Run) -> None:
            if run.epoch == 1:
                before.update(contents(Path.cwd()))
                disk.fill()

        with FailingDisk() as disk:
            outcome = tiny_run([At("epoch_begin", fill), callback], epochs=3)
        return outcome, before, contents(Path.cwd())

    def _sizes_with_room(self) -> dict[Path, int]:
        """Return the sizes in bytes of the files that a training leaves in its own folder."""
        here, folder = Path.cwd(), Path("with room")
        folder.mkdir()
        os.chdir(folder)
        try:
            tiny_run(self.make(), epochs=3)
            return {path.relative_to(Path.cwd()): len(content) for path, content in contents(Path.cwd()).items()}
        finally:
            os.chdir(here)


def _names_a_path(error: OSError) -> bool:
    return error.filename is not None or any(mark in str(error) for mark in ("/", os.sep))


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _chain(error: BaseException | None) -> list[BaseException]:
    """Yield ``error`` and the errors it was raised from."""
    return [] if error is None else [error, *_chain(error.__cause__ or error.__context__)]
