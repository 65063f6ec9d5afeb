"""The HDF5 types of PyTorch's dtypes. Dtypes that NumPy lacks are stored as integers with a label."""

from __future__ import annotations

from typing import NamedTuple

import torch

from cthulhu_core import CheckpointError

LABEL = "torch_dtype"
"""The attribute with the dtype of PyTorch, for datasets whose HDF5 type does not determine it."""


class Stored(NamedTuple):
    """The stored form of a dtype.

    Attributes:
        numpy: type in the file, as NumPy's type code.
        label: value of the attribute ``torch_dtype``. None if the type in the file determines the dtype.
    """

    numpy: str
    label: str | None = None


def _known(stored: dict[str, Stored]) -> dict[torch.dtype, Stored]:
    """Return the dtypes that this version of PyTorch has."""
    return {getattr(torch, name): how for name, how in stored.items() if hasattr(torch, name)}


STORED: dict[torch.dtype, Stored] = _known(
    {
        "float16": Stored("f2"),
        "float32": Stored("f4"),
        "float64": Stored("f8"),
        "complex64": Stored("c8"),
        "complex128": Stored("c16"),
        "bool": Stored("?"),
        "int8": Stored("i1"),
        "int16": Stored("i2"),
        "int32": Stored("i4"),
        "int64": Stored("i8"),
        "uint8": Stored("u1"),
        "uint16": Stored("u2"),
        "uint32": Stored("u4"),
        "uint64": Stored("u8"),
        "bfloat16": Stored("u2", "bfloat16"),
        "complex32": Stored("u4", "complex32"),
        "float8_e4m3fn": Stored("u1", "float8_e4m3fn"),
        "float8_e4m3fnuz": Stored("u1", "float8_e4m3fnuz"),
        "float8_e5m2": Stored("u1", "float8_e5m2"),
        "float8_e5m2fnuz": Stored("u1", "float8_e5m2fnuz"),
        "float8_e8m0fnu": Stored("u1", "float8_e8m0fnu"),
        "float4_e2m1fn_x2": Stored("u1", "float4_e2m1fn_x2"),
    }
)
LOADED: dict[Stored, torch.dtype] = {how: dtype for dtype, how in STORED.items()}


def stored_as(tensor: torch.Tensor, name: str) -> Stored:
    """Return the stored form of ``tensor``.

    Raises:
        CheckpointError: If it is not a dense tensor of numbers. The message includes ``name``.
    """
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.dtype not in STORED:
        what = "a meta tensor without data" if tensor.is_meta else f"{tensor.dtype}, {tensor.layout}"
        raise CheckpointError(
            f"{name} cannot be saved: it is {what}; expected a dense tensor with a numeric dtype; "
            "dequantize or convert it first"
        )
    return STORED[tensor.dtype]
