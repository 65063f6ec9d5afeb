"""What is saved comes back equal: names, shapes, dtypes, every bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_checkpoint import writer
from cthulhu_checkpoint.dtypes import STORED
from cthulhu_checkpoint.layout import draft
from cthulhu_checkpoint.names import escaped, unescaped
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint, CheckpointError

names = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [".", "..", "/", "a/b", "%2F;", ":0"]
)


def saved(weights: dict[str, dict[str, torch.Tensor]], folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The weights after they have been in a file."""
    writer.save(Checkpoint(weights, {}), folder / "model.h5")
    return load(folder / "model.h5").weights


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy())


@pytest.mark.parametrize("dtype", STORED, ids=str)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_every_dtype_comes_back_with_its_bits(dtype, tmp_path):
    pattern = torch.tensor([True, False] * 96) if dtype == torch.bool else torch.arange(192).to(torch.uint8)
    tensor = pattern.view(dtype).reshape(4, -1)
    back = saved({"layer": {"weight": tensor, "one": tensor[0, 0], "none": tensor[:0]}}, tmp_path)["layer"]
    for name, expected in {"weight": tensor, "one": tensor[0, 0], "none": tensor[:0]}.items():
        assert (back[name].dtype, back[name].shape, bits(back[name])) == (dtype, expected.shape, bits(expected))


def test_all_dtypes_of_numbers_are_known():
    dtypes = {each for each in vars(torch).values() if isinstance(each, torch.dtype)}
    unknown = {str(dtype).removeprefix("torch.") for dtype in dtypes - set(STORED)}
    # Quantized ones need their scales, and those of fewer bits have no operators.
    assert [name for name in sorted(unknown) if not name.startswith(("q", "bits")) and name[-1] in "2468"] == [
        name for name in ("int2", "int4", "int6", "uint2", "uint4", "uint6") if name in unknown
    ]


@pytest.mark.parametrize(
    "view",
    [
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        torch.arange(24.0)[::3],
        torch.arange(3.0).expand(5, 3),
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.tensor([1 + 2j, 3 - 1j]).conj(),
        torch.tensor([1 + 2j]).conj().imag,
        torch.arange(2_000_000.0).reshape(1000, 2000).t(),
        torch.arange(2_400_000.0).reshape(2, 600_000, 2).transpose(0, 1),
        torch.arange(4_000_000.0).reshape(2, 2_000_000)[:, ::2].t(),
        torch.arange(3_000_000.0).reshape(3_000_000, 1)[::2],
        torch.arange(3_000_000.0).reshape(1, 3_000_000)[:, ::2],
    ],
    ids=lambda view: f"{tuple(view.shape)}, {view.stride()}",
)
def test_views_are_stored_as_they_are_read(view, tmp_path):
    back = saved({"layer": {"weight": view}}, tmp_path)["layer"]["weight"]
    assert torch.equal(back, view.resolve_conj())
    assert back.dtype == view.dtype


@settings(deadline=None)
@given(st.dictionaries(names, st.dictionaries(names, st.integers(0, 255), max_size=3), max_size=4))
def test_every_name_comes_back(tmp_path_factory, weights):
    tensors = {layer: {name: torch.tensor([n]) for name, n in named.items()} for layer, named in weights.items()}
    back = saved(tensors, tmp_path_factory.mktemp("names"))
    assert list(back) == list(tensors)
    assert {layer: {name: int(each) for name, each in named.items()} for layer, named in back.items()} == weights
    assert [list(named) for named in back.values()] == [list(named) for named in tensors.values()]


@settings(deadline=None)
@given(names)
def test_name_is_one_name_of_hdf5_and_keeps_what_it_is(name):
    assert unescaped(escaped(name)) == name
    assert "/" not in escaped(name)
    assert escaped(name) not in {"", "."}
    assert b"\0" not in escaped(name).encode()


def test_long_and_many_names_come_back(tmp_path):
    tensors = {f"{'x' * 3000}{n}": {"w" * 5000: torch.tensor([n])} for n in range(60)}
    back = saved(tensors, tmp_path)
    assert list(back) == list(tensors)
    assert [int(named["w" * 5000]) for named in back.values()] == list(range(60))


def test_name_that_hdf5_cannot_hold_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="a name of 70003 bytes cannot be saved.*rename"):
        saved({"layer": {"l" * 69_995: torch.ones(1)}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        lambda: torch.ones(2).to_sparse(),
        lambda: torch.ones(2, device="meta"),
    ],
    ids=["quantized", "sparse", "meta"],
)
def test_tensor_that_is_not_plain_numbers_is_refused_by_name(make, tmp_path):
    (tmp_path / "model.h5").write_bytes(b"old")
    with pytest.raises(CheckpointError, match="layer/weight cannot be saved"):
        saved({"layer": {"weight": make()}}, tmp_path)
    assert (tmp_path / "model.h5").read_bytes() == b"old"


def test_state_and_extra_come_back(tmp_path):
    state = {
        "model": {"layers": [("Daoloth", {"units": 3}), None]},
        "run": {"best": float("inf"), "generator": torch.arange(5, dtype=torch.uint8), "x": np.ones((2, 0))},
    }
    checkpoint = Checkpoint({"layer": {"weight": torch.ones(2)}}, {"quant._extra_state": {"scale": 0.5}}, state)
    writer.save(checkpoint, tmp_path / "model.hdf5")
    back = load(tmp_path / "model.hdf5")
    assert back.extra == checkpoint.extra
    assert back.state is not None
    assert back.state["model"] == state["model"]
    assert back.state["run"]["best"] == float("inf")
    assert torch.equal(back.state["run"]["generator"], torch.arange(5, dtype=torch.uint8))
    assert back.state["run"]["x"].shape == (2, 0)
    assert torch.equal(back.weights["layer"]["weight"], torch.ones(2))


def test_state_that_is_not_plain_data_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"state\['best'\] is a set"):
        writer.save(Checkpoint({}, {}, {"best": {1, 2}}), tmp_path / "model.h5")


def test_same_checkpoint_is_the_same_bytes(tmp_path):
    checkpoint = Checkpoint({"layer": {"weight": torch.ones(2, 3).t()}}, {}, {"epoch": 3})
    for name in ("one.h5", "two.h5"):
        writer.save(checkpoint, tmp_path / name)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_drafting_takes_no_memory_for_the_numbers():
    weights = {"layer": {"weight": torch.zeros(1).expand(10**7, 10**5)}}  # four terabytes
    drafted = draft(Checkpoint(weights, {}))
    assert drafted.structure.size > 4 * 10**12
    assert [offset for offset, _ in drafted.tensors] == [offset for offset, _ in drafted.tensors if offset < 10**5]
