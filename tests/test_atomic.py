"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cthulhu_core import atomic, atomic_write

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_block_writes_a_new_file(tmp_path):
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert names(tmp_path) == [partial.name]
        assert partial.parent == tmp_path
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_old_file_is_there_until_the_block_ends(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with atomic_write(str(tmp_path / "a.txt")) as partial:
        partial.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_exception_in_the_block_leaves_the_old_file_and_nothing_else(error, tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(error), atomic_write(tmp_path / "a.txt") as partial:
        fail(partial)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_reader_of_the_old_file_goes_on_reading_it(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (tmp_path / "a.txt").open() as reader:
        with atomic_write(tmp_path / "a.txt") as partial:
            partial.write_text("new")
        assert reader.read() == "old"


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_permissions_of_the_old_file_are_kept(mode, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert path.stat().st_mode & 0o7777 == mode
    assert path.read_text() == "new"


@posix
def test_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix
@pytest.mark.parametrize("exists", [False, True])
def test_link_stays_and_its_target_is_written(exists, tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.txt", tmp_path / "link.txt"
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    with atomic_write(link) as partial:
        partial.write_text("new")
        assert partial.parent == target.parent
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["link.txt", "there"]


def test_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "missing" / "a.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == []


def test_folder_in_the_place_of_the_file_is_an_error_and_stays(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt"), atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["a.txt"]


def test_block_that_writes_nothing_is_an_error_and_the_old_file_stays(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt"):
        pass
    assert (tmp_path / "a.txt").read_text() == "old"


def killed_in_the_block(path: Path) -> int:
    """The process that was killed while it was writing ``path``."""
    code = """
import os, signal, sys
from cthulhu_core import atomic_write

with atomic_write(sys.argv[1]) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    assert process.wait() == -signal.SIGKILL
    return process.pid


@posix
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    killed = killed_in_the_block(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [name for name in names(tmp_path) if str(killed) in name] == [names(tmp_path)[0]]
    with atomic_write(tmp_path / "other.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["a.txt", "other.txt"]


@posix
def test_what_a_living_process_and_others_write_is_left_alone(tmp_path):
    living = tmp_path / f".a.txt.{atomic._host()}-{os.getppid()}.partial"
    elsewhere = tmp_path / f".a.txt.{atomic._host()}-elsewhere-1.partial"
    foreign = [tmp_path / name for name in (".notes.partial", "notes.partial", ".a.txt.host-1x.partial")]
    for path in (living, elsewhere, *foreign):
        path.write_text("theirs")
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert names(tmp_path) == sorted(["a.txt", living.name, elsewhere.name, *(path.name for path in foreign)])
