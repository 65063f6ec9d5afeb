"""Files that are made to harm: they are refused before they take memory, and lead nowhere."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cthulhu_checkpoint import header
from cthulhu_checkpoint.reader import load
from cthulhu_core import CheckpointError

Make = Callable[[h5py.File, h5py.Group], object]


def hostile(path: Path, make: Make, weights: list[bytes] | None = None, sealed: bool = False) -> Path:
    """A file with one layer, to whose group ``make`` adds the weight ``w``."""
    with h5py.File(path, "w", userblock_size=header.SIZE if sealed else 0) as file:
        file.attrs["layer_names"] = np.array([b"layer"])
        group = file.create_group("layer")
        group.attrs["weight_names"] = np.array(weights or [b"w"])
        make(file, group)
    if sealed:
        raw = path.read_bytes()
        path.write_bytes(header.seal(len(raw), zlib.crc32(raw[header.SIZE :])) + raw[header.SIZE :])
    return path


def low_level(shape: tuple[int, ...], allocated: int = h5py.h5d.ALLOC_TIME_LATE, external: str | None = None) -> Make:
    def make(file: h5py.File, group: h5py.Group) -> None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.CONTIGUOUS)
        plan.set_alloc_time(allocated)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if external:
            plan.set_external(external.encode(), 0, h5py.h5f.UNLIMITED)
        h5py.h5d.create(group.id, b"w", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(shape), plan)

    return make


def virtual(file: h5py.File, group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", (2,))
    group.create_virtual_dataset("w", layout)


def cycle(file: h5py.File, group: h5py.Group) -> None:
    group["layer"] = file["layer"]
    group["w"] = np.ones(2, "f4")


CASES: dict[str, tuple[Make, str]] = {
    "external link": (lambda file, group: group.__setitem__("w", h5py.ExternalLink("x.h5", "/w")), "a link to elsewh"),
    "soft link": (lambda file, group: group.__setitem__("w", h5py.SoftLink("/layer")), "a link to elsewhere"),
    "external storage": (low_level((2,), external="/etc/hostname"), "in other files"),
    "virtual": (virtual, "in other files"),
    "bomb": (lambda file, group: group.create_dataset("w", (10**8,), "f4", compression="gzip"), "compressed"),
    "fill value": (lambda file, group: group.create_dataset("w", (10**10,), "f4", chunks=(10**6,)), "in chunks"),
    "chunks": (lambda file, group: group.create_dataset("w", (2,), "f4", chunks=(2,)), "in chunks"),
    "huge": (low_level((2**40, 2**20)), "would take .* bytes, more than are left"),
    "not there": (low_level((2,)), "the values of 'w' are not in the file"),
    "strings": (lambda file, group: group.create_dataset("w", data=["a", "b"]), "that PyTorch lacks"),
    "fixed strings": (lambda file, group: group.create_dataset("w", data=[b"a", b"b"]), "that PyTorch lacks"),
    "references": (
        lambda file, group: group.create_dataset("w", (1,), dtype=h5py.regionref_dtype),
        "that PyTorch lacks",
    ),
    "vlen": (lambda file, group: group.create_dataset("w", (1,), dtype=h5py.vlen_dtype("f4")), "that PyTorch lacks"),
    "compound": (
        lambda file, group: group.create_dataset("w", (1,), dtype=[("r", "f4"), ("i", "f8")]),
        "that PyTorch lacks",
    ),
    "enumeration": (
        lambda file, group: group.create_dataset("w", (1,), dtype=h5py.enum_dtype({"a": 1})),
        "that PyTorch lacks",
    ),
    "long double": (lambda file, group: group.create_dataset("w", (1,), dtype="g"), "that PyTorch lacks"),
    "nothing": (lambda file, group: group.create_dataset("w", dtype="f4"), "'w' has no shape"),
    "group": (lambda file, group: group.create_group("w"), "'w' is not a dataset"),
    "type": (lambda file, group: group.__setitem__("w", np.dtype("f4")), "'w' is not a dataset"),
    "absent": (lambda file, group: None, "'w' is missing"),
    "label": (
        lambda file, group: group.create_dataset("w", (2,), "u2").attrs.create("torch_dtype", np.bytes_(b"os")),
        "labelled",
    ),
    "attribute": (lambda file, group: file.attrs.create("layer_names", 3), "is not a list of names"),
    "table": (lambda file, group: file.attrs.create("layer_names", np.array([[b"layer"]])), "is not a list of names"),
    "not text": (
        lambda file, group: file.attrs.create("layer_names", np.array([b"\xff"])),
        "damaged or of another kind",
    ),
}


@pytest.mark.parametrize("sealed", [False, True], ids=["foreign", "sealed"])
@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_its_reason_and_without_memory(case, sealed, tmp_path):
    make, reason = CASES[case]
    path = hostile(tmp_path / "bad.h5", make, sealed=sealed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=reason) as error:
        load(path)
    assert error.value.filepath == str(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_external_link_to_a_good_file_is_not_followed(tmp_path):
    hostile(tmp_path / "good.h5", lambda file, group: group.create_dataset("w", data=np.ones(2)))
    path = hostile(
        tmp_path / "bad.h5", lambda file, group: group.__setitem__("w", h5py.ExternalLink("good.h5", "/layer/w"))
    )
    with pytest.raises(CheckpointError, match="link to elsewhere, which is not followed"):
        load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("link", ["/layers", "/model_weights", "/cthulhu", "/layer/w"])
def test_no_other_file_is_opened(link, tmp_path):
    # Whoever opens a pipe that nobody writes to waits for ever.
    os.mkfifo(tmp_path / "pipe.h5")

    def make(file: h5py.File, group: h5py.Group) -> None:
        file[link] = h5py.ExternalLink(str(tmp_path / "pipe.h5"), "/")
        if link != "/layer/w":
            del file.attrs["layer_names"]

    path = hostile(tmp_path / "bad.h5", make, sealed=link == "/cthulhu")
    code = f"from cthulhu_checkpoint.reader import load; load({str(path)!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "CheckpointError" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", ".", "./w", "a//b"])
def test_name_like_a_path_is_a_name(name, tmp_path):
    path = hostile(
        tmp_path / "m.h5", lambda file, group: group.create_dataset("w", data=np.ones(2)), weights=[name.encode()]
    )
    with pytest.raises(CheckpointError):
        load(path)


def test_one_dataset_under_many_names_takes_no_more_than_the_file(tmp_path):
    def make(file: h5py.File, group: h5py.Group) -> None:
        group["w0"] = np.ones(100_000, "f4")
        for n in range(1, 1000):
            group[f"w{n}"] = group["w0"]

    path = hostile(tmp_path / "bad.h5", make, weights=[f"w{n}".encode() for n in range(1000)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="more than are left"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_cycle_of_hard_links_ends(tmp_path):
    path = hostile(tmp_path / "m.h5", cycle, weights=[b"layer/" * 1000 + b"w"])
    assert [float(each.sum()) for each in load(path).weights["layer"].values()] == [2.0]


def test_names_that_share_one_long_string_take_no_more_than_the_file(tmp_path):
    path = hostile(tmp_path / "bad.h5", lambda file, group: None)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["x" * 100_003, *["y"] * 2000]
    raw = path.read_bytes()
    # Every reference becomes the first one: length, address of the heap, number in it; the heap has the length, too.
    start = next(at for at in range(len(raw)) if raw[at : at + 4] == b"\xa3\x86\1\0" and raw[at + 16] == 1)
    path.write_bytes(raw[:start] + raw[start : start + 16] * 2001 + raw[start + 16 * 2001 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="its names would take more memory than the file"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_sealed_file_without_state_or_with_absurd_state_is_refused(tmp_path):
    def make(file: h5py.File, group: h5py.Group) -> None:
        group["w"] = np.ones(2, "f4")
        state = file.create_group("cthulhu/state")
        state.create_group("tensors")
        state["json"] = np.frombuffer(b'{"pickle": "cos\\nsystem"}', "u1")

    with pytest.raises(CheckpointError, match="there is no kind of value 'pickle'"):
        load(hostile(tmp_path / "bad.h5", make, sealed=True))
