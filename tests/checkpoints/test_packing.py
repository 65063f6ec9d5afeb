"""Plain data: what is packed comes back equal and of the same types; anything else is refused by its path."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cthulhu_core.checkpoints.packing import pack, unpack


def alike(a: Any, b: Any) -> bool:
    """Equal, of the same types down to the last leaf; NaN is like NaN, and 0.0 not like -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, complex):
        return alike(a.real, b.real) and alike(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return alike(list(a.items()), list(b.items()))
    return bool(a == b)


def returned(value: Any) -> Any:
    text, tensors = pack(value)
    assert text.isascii()
    return unpack(text, tensors)


NUMBERS = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NUMBERS += ["float16", "float32", "float64", "complex64", "complex128"]
texts = st.text(st.characters(exclude_categories=()))
keys = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
arrays = st.sampled_from(NUMBERS[:6] + NUMBERS[9:]).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
tensors = st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64]).flatmap(
    lambda dtype: st.lists(st.integers(0, 3), max_size=3).map(lambda shape: torch.ones(shape).to(dtype))
)
scalars = st.sampled_from(NUMBERS).flatmap(lambda dtype: npst.arrays(dtype, ())).map(lambda array: array[()])
leaves = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**20_000), 2**20_000) | st.floats() | texts
    | st.binary() | st.complex_numbers() | arrays | tensors | scalars
    | st.sampled_from([torch.float16, torch.int64, torch.device("cpu"), torch.device("cuda", 1)])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4).map(OrderedDict)
    ),
)


@settings(deadline=None)
@given(values)
def test_plain_data_comes_back_equal_and_of_the_same_types(value: Any) -> None:
    assert alike(returned(value), value)


@pytest.mark.parametrize(
    "value",
    [
        math.inf, -math.inf, math.nan, -0.0, True, 1, 1.0, 10**400, -(2**63), 2**63 - 1, complex(-0.0, math.nan),
        "\ud800", "\ud83d\ude00", "\U0001f600", b"\x00\xff", (), [()], {1: {True: "kept as 1"}},
        {"b": 1, "a": 2, None: 3, (1, ("x", 2.5)): 4}, {"tuple": [1]}, np.float64(0.1), np.bool_(True), torch.bfloat16,
        np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::-1], torch.tensor(3.5, dtype=torch.float8_e4m3fn).float(),
    ],
)  # fmt: skip
def test_borders_come_back_exactly(value: Any) -> None:
    assert alike(returned(value), value)


def test_text_is_json_that_people_can_read() -> None:
    text, tensors = pack({"wait": 2, "best": torch.ones(2), "shape": (1, 2)})
    assert json.loads(text) == {"dict": {"wait": 2, "best": {"tensor": "0"}, "shape": {"tuple": [1, 2]}}}
    assert tensors["0"].tolist() == [1.0, 1.0]


def test_tensors_are_neither_copied_nor_left_in_a_graph() -> None:
    tensor, parameter = torch.zeros(2), torch.nn.Parameter(torch.zeros(2))
    _, tensors = pack([tensor, parameter])
    assert tensors["0"] is tensor
    assert type(tensors["1"]) is torch.Tensor
    assert not tensors["1"].requires_grad
    assert tensors["1"].data_ptr() == parameter.data_ptr()


def test_size_comes_back_as_a_tuple() -> None:
    assert alike(returned(torch.zeros(2, 3).shape), (2, 3))


def test_arrays_that_cannot_be_written_to_are_packed_without_a_warning() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    assert returned(array).tolist() == [0.0, 1.0, 2.0]


# --- what is not plain ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"callbacks": [1, 2, {"best": {1}}]}, r"state\['callbacks'\]\[2\]\['best'\] is a set: expected None, bool, "),
        ((1, deque()), r"state\[1\] is a collections.deque: .*; a state_dict\(\) holds plain data"),
        (test_size_comes_back_as_a_tuple, "state is a function"),
        ({b"key": 1}, r"the key b'key' of state is a bytes: expected None, bool, int, float, str, or tuples of those"),
        ({(1, b""): 1}, r"the key \(1, b''\) of state is a tuple"),
        ({"x": np.array(["a"])}, r"state\['x'\] is a NumPy array of dtype <U1, which PyTorch does not have"),
        (np.arange(2, dtype=">f4"), "dtype >f4, which PyTorch does not have: .* in the machine's byte order"),
        (np.array([None]), "dtype object"),
        (np.datetime64("2020-01-01"), "state is a numpy.datetime64"),
        (np.ma.array([1]), "state is a numpy.ma.*MaskedArray"),
        (torch.ones(2).to_sparse(), r"state is a sparse tensor: expected a dense one, e.g. tensor.to_dense\(\)"),
        (torch.nn.parameter.UninitializedParameter(), "state is a torch.nn.parameter.UninitializedParameter"),
    ],
)
def test_other_data_is_refused_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        pack(value)


def test_where_names_the_value_in_messages() -> None:
    with pytest.raises(TypeError, match=r"EarlyStopping\['best'\] is a set"):
        pack({"best": set()}, where="EarlyStopping")


def test_cycles_and_deep_nesting_are_refused() -> None:
    cycle: list[Any] = []
    cycle.extend([cycle, cycle])
    deep: Any = 0
    for _ in range(100):
        deep = (deep,)
    assert alike(returned(deep), deep)
    for value in (cycle, (deep,), {deep: 1}):
        with pytest.raises(TypeError, match=r"state|key"):
            pack(value)
    with pytest.raises(TypeError, match=r"state(\[0\])+.* is nested more than 100 levels deep, or contains itself"):
        pack(cycle)


# --- malformed text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{}", "an object has 0 keys: expected one"),
        ('{"tuple": [], "dict": {}}', "an object has 2 keys"),
        ('{"pickle": "x"}', "there is no kind of value 'pickle': known are dict, items"),
        ('{"tensor": "7"}', "there is no tensor '7'"),
        ('{"tensor": []}', "found a list where a str was expected"),
        ('{"array": "bfloat16"}', "array: "),
        ('{"tuple": 3}', "found a int where a list was expected"),
        ('{"dict": []}', "found a list where a dict was expected"),
        ('{"items": [[[], 1]]}', "items: unhashable type"),
        ('{"items": [[1]]}', "found 1 values where two were expected"),
        ('{"int": "0xzz"}', "int: invalid literal"),
        ('{"bytes": "a"}', "bytes: "),
        ('{"surrogates": "ff"}', "surrogates: "),
        ('{"complex": [1, 2]}', "found a int where a float was expected"),
        ('{"scalar": ["object", "00"]}', "no dtype 'object' of numbers"),
        ('{"scalar": ["int8", "0000"]}', "found 2 bytes for a int8: expected 1"),
        ('{"dtype": "Tensor"}', "no dtype 'Tensor'"),
        ('{"device": "nowhere"}', "no device 'nowhere'"),
        ("9" * 5000, "a number has 5000 digits"),
        ("[" * 100_000, "nested too deep"),
        ("[" * 200 + "]" * 200, "nested more than 100 levels deep"),
    ],
)
def test_malformed_text_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(text, {"bfloat16": torch.ones(1, dtype=torch.bfloat16)})


KINDS = ["dict", "items", "OrderedDict", "tuple", "tensor", "array", "int", "bytes", "scalar", "dtype", "device"]
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(KINDS), inner, min_size=1, max_size=1,
        )
    ),
)  # fmt: skip


@settings(deadline=None)
@given(jsons)
def test_any_other_text_is_a_value_or_a_value_error(parsed: Any) -> None:
    try:
        value = unpack(json.dumps(parsed), {})
    except ValueError:
        return
    assert alike(returned(value), value)
