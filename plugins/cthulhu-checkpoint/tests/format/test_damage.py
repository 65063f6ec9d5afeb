"""Files that are truncated, damaged or foreign: an error with path and reason, and little memory; never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_checkpoint import writer
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint, CheckpointError

WEIGHTS = {"dense": {"kernel": torch.arange(12.0).reshape(4, 3).t(), "bias": torch.ones(4)}, "empty": {}}
CHECKPOINTS = {
    "weights": Checkpoint(WEIGHTS, {}),
    "full": Checkpoint(WEIGHTS, {}, {"model": {"layers": [1, 2]}, "run": {"generator": torch.arange(9)}}),
}


@pytest.fixture(scope="module", params=CHECKPOINTS)
def whole(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "model.h5"
    writer.save(CHECKPOINTS[request.param], path)
    return path


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, float, bytes]:
    """What is done to a file, where (a part of its length), and the bytes that it is done with."""
    kind = draw(st.sampled_from(["truncate", "flip", "overwrite", "remove", "insert"]))
    return kind, draw(st.floats(0, 1, exclude_max=True)), draw(st.binary(min_size=1, max_size=64))


def mutated(raw: bytes, kind: str, where: float, content: bytes) -> bytes:
    start = int(where * len(raw))
    if kind == "truncate":
        return raw[:start]
    if kind == "flip":
        return raw[:start] + bytes([raw[start] ^ 1 << content[0] % 8]) + raw[start + 1 :]
    if kind == "overwrite":
        return raw[:start] + content[: len(raw) - start] + raw[start + len(content) :]
    if kind == "remove":
        return raw[:start] + raw[start + len(content) :]
    return raw[:start] + content + raw[start:]


@settings(max_examples=500, deadline=None)
@given(mutations())
def test_every_damage_to_our_files_is_found(whole, mutation):
    raw = whole.read_bytes()
    bad = mutated(raw, *mutation)
    if bad == raw:
        return
    path = whole.with_name("bad.h5")
    path.write_bytes(bad)
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert error.value.filepath == str(path)
    assert str(error.value).startswith(f"{path}: ")
    assert error.value.reason


def test_every_flipped_bit_of_the_seal_is_found(whole):
    raw = whole.read_bytes()
    path = whole.with_name("bad.h5")
    for bit in range(512 * 8):
        path.write_bytes(raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            load(path)


def test_truncated_file_says_how_long_it_was(whole):
    raw = whole.read_bytes()
    path = whole.with_name("bad.h5")
    path.write_bytes(raw[:-100])
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert error.value.reason == (f"the file is truncated: it has {len(raw) - 100} bytes, but {len(raw)} were written")


def test_file_without_its_first_block_is_not_taken_for_one_of_keras(whole):
    path = whole.with_name("bad.h5")
    path.write_bytes(whole.read_bytes()[512:])
    with pytest.raises(CheckpointError, match="its first 512 bytes are missing"):
        load(path)


def test_file_of_a_newer_format_says_what_to_do(whole):
    from cthulhu_checkpoint.header import seal

    raw = whole.read_bytes()
    path = whole.with_name("bad.h5")
    path.write_bytes(seal(len(raw), 0, version=2) + raw[512:])
    with pytest.raises(CheckpointError, match="has format 2, .* reads only up to 1: pip install --upgrade"):
        load(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "there is no such file"), (b"", "the file is empty"), (b"PK\3\4" * 999, "this is not an HDF5 file")],
)
def test_file_of_another_kind_says_so(content, reason, tmp_path):
    path = tmp_path / "model.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=reason) as error:
        load(path)
    assert error.value.filepath == str(path)


def test_what_is_not_a_file_is_refused_at_once(tmp_path):
    with pytest.raises(CheckpointError, match="this is a folder"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(CheckpointError, match="not a regular file"):
        load(tmp_path / "pipe.h5")


def test_file_that_may_not_be_read_says_so(whole, tmp_path):
    path = tmp_path / "model.h5"
    path.symlink_to(path)
    with pytest.raises(CheckpointError, match="it cannot be read: Too many levels of symbolic links"):
        load(path)


# In a process of its own, which HDF5's library might end.
FOREIGN = """
import random, resource, struct, sys, time
from pathlib import Path
from cthulhu_checkpoint.reader import load
from cthulhu_core import CheckpointError

path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
raw = Path(path).read_bytes()
load(path)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loaded = 0
for n in range(count):
    r = random.Random(seed + n)
    bad = bytearray(raw)
    for _ in range(r.choice([1, 1, 2, 3])):
        place, kind = r.randrange(len(bad)), r.randrange(6)
        if kind == 0:
            del bad[max(place, 8):]
        elif kind == 1:
            bad[place] ^= 1 << r.randrange(8)
        elif kind == 2:
            bad[place : place + r.randrange(1, 16)] = bytes([r.choice([0, 255, r.randrange(256)])]) * 8
        elif kind == 3:
            del bad[place : place + r.randrange(1, 65)]
        elif kind == 4:
            bad[place:place] = r.randbytes(r.randrange(1, 65))
        elif place < len(bad) - 16:  # an address or a length, as it might be meant to harm
            value = r.choice([2**63, 2**40, 2**32 - 1, 2**31, 0, len(bad), r.randrange(len(bad)) & ~7])
            struct.pack_into("<Q", bad, place & ~7, value)
    Path(path + ".bad").write_bytes(bad)
    begin = time.perf_counter()
    try:
        weights = load(path + ".bad").weights
    except CheckpointError as error:
        assert error.filepath == path + ".bad" and error.reason
    else:
        # Numbers and names are not protected in such a file, what is not a number is.
        total = sum(each.numel() * each.element_size() for named in weights.values() for each in named.values())
        assert total <= len(bad), total
        loaded += 1
    assert time.perf_counter() - begin < 20
print(loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("strings", [False, True], ids=["keras2", "keras3"])
def test_damage_to_files_of_keras_is_an_error_or_harmless(strings, tmp_path):
    path = tmp_path / "k.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["dense"] if strings else np.array([b"dense"])
        group = file.create_group("dense")
        names = ["dense/kernel:0", "dense/bias:0"]
        group.attrs["weight_names"] = names if strings else np.array([name.encode() for name in names])
        for name in names:
            group[name] = np.ones((4, 3) if "kernel" in name else 3, "f4")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FOREIGN, str(path), "0", "500"], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    loaded, kilobytes = map(int, ended.stdout.split())
    assert 0 < loaded < 500
    assert kilobytes < 50_000
