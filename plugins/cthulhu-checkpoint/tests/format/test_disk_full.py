"""No space, no folder, no permission: an OSError that says which file, the old one intact, and nothing left over."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cthulhu_checkpoint import writer
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint

MB = 2**18  # numbers in a megabyte


def checkpoint(value: float, megabytes: float) -> Checkpoint:
    return Checkpoint({"layer": {"weight": torch.full((int(megabytes * MB),), value)}}, {}, {"value": value})


def value_in(path: Path) -> float:
    found = load(path)
    assert found.state is not None
    assert (found.weights["layer"]["weight"] == found.state["value"]).all()
    return float(found.state["value"])


LIMITED = """
import resource, sys
import torch
from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint

def save(value, count):
    writer.save(Checkpoint({"layer": {"weight": torch.full((count,), value)}}, {}, {"value": value}), sys.argv[1])

save(1.0, 1000)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 100, 512, 600, 5_000, 100_000, 3_000_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        save(2.0, 1_000_000)
    except OSError as error:
        print(error.errno, error.filename, error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
save(3.0, 1000)
"""


def test_file_that_may_not_become_as_long_leaves_the_old_one(tmp_path):
    path = tmp_path / "model.h5"
    ended = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [f"{errno.EFBIG} {path} {os.strerror(errno.EFBIG)}"] * 7
    assert value_in(path) == 3.0
    assert [each.name for each in tmp_path.iterdir()] == ["model.h5"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_leaves_the_old_file_and_the_next_save_works(small_disk):
    path = small_disk / "model.h5"
    writer.save(checkpoint(1.0, 1), path)
    for megabytes in (3.5, 8, 2.999):
        with pytest.raises(OSError) as error:  # noqa: PT011 - by number
            writer.save(checkpoint(2.0, megabytes), path)
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
        assert value_in(path) == 1.0
        assert [each.name for each in small_disk.iterdir()] == ["model.h5"]
    writer.save(checkpoint(3.0, 2.5), path)
    assert value_in(path) == 3.0


def test_disk_without_a_byte_left_leaves_the_old_file(small_disk):
    path = small_disk / "model.h5"
    writer.save(checkpoint(1.0, 1), path)
    with (small_disk / "other").open("wb", buffering=0) as other, contextlib.suppress(OSError):
        while True:
            other.write(bytes(4096))
    with pytest.raises(OSError, match="No space left on device") as error:
        writer.save(checkpoint(2.0, 0.001), path)
    assert error.value.filename == str(path)
    (small_disk / "other").unlink()
    assert value_in(path) == 1.0
    writer.save(checkpoint(2.0, 0.001), path)
    assert value_in(path) == 2.0


def test_error_in_the_background_arrives_in_its_future(small_disk):
    path = small_disk / "model.h5"
    failing = writer.save_later(checkpoint(1.0, 8), path)
    working = writer.save_later(checkpoint(2.0, 1), path)
    with pytest.raises(OSError, match="No space left on device"):
        failing.result()
    working.result()
    assert value_in(path) == 2.0


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_folder_that_is_none_is_named(folder, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / folder / "model.h5"
    with pytest.raises((FileNotFoundError, NotADirectoryError)) as error:
        writer.save(checkpoint(1.0, 0.01), path)
    assert error.value.filename == str(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "model.h5"
    writer.save(checkpoint(1.0, 0.01), path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError) as error:
            writer.save(checkpoint(2.0, 0.01), path)
    finally:
        tmp_path.chmod(0o700)
    assert error.value.filename == str(path)
    assert value_in(path) == 1.0
