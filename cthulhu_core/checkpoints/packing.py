"""Plain data as JSON text and separate tensors, and back. File formats decide where to store the two.

Reading creates numbers, strings and containers only: no name in the text is ever imported, called or unpickled.

Values that JSON has (None, booleans, strings, lists, floats, smaller integers) are written directly. Everything else is
an object with a single key that says what it is: ``{"tuple": [1, 2]}``, ``{"tensor": "0"}``.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LEVELS = 100
"""The deepest nesting of lists, tuples and dicts."""

_ALLOWED = (
    "None, bool, int, float, complex, str, bytes, list, tuple, dict (with keys of these), tensors, NumPy arrays and "
    "numbers, torch.dtype, torch.device"
)
_LARGEST = 2**63
_SCALARS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip


def pack(value: Any, where: str = "state") -> tuple[str, dict[str, torch.Tensor]]:
    """Return ``value`` as JSON text, and the tensors that the text refers to.

    Args:
        value: None, bool, int, float, complex, str, bytes, list, tuple, dict or OrderedDict (with keys of None, bool,
            int, float, str, or tuples of those), tensors, NumPy arrays and numbers, ``torch.dtype``, ``torch.device``.
            A ``torch.Size`` comes back as a tuple, a parameter as a tensor, an OrderedDict without attributes.
        where: the name of ``value`` in messages.

    Returns:
        The text, which is ASCII, and the tensors: detached, but neither copied nor moved. Those of NumPy arrays share
        their memory if PyTorch can.

    Raises:
        TypeError: a part of ``value`` is not plain data, contains itself, or is nested more than 100 levels deep; the
            message says where.

    Example:
        >>> pack({"best": 0.5, "shape": (2, 3)})
        ('{"dict": {"best": 0.5, "shape": {"tuple": [2, 3]}}}', {})
    """
    packer = _Packer()
    return json.dumps(packer.packed(value, where, 0)), packer.tensors


def unpack(text: str, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the value that :func:`pack` was given.

    Args:
        text: the text that it returned.
        tensors: the tensors by name, as it returned them. They are not copied; arrays share their memory.

    Raises:
        ValueError: :func:`pack` does not write such a text, or it refers to a missing tensor.

    Example:
        >>> unpack('{"dict": {"best": 0.5, "shape": {"tuple": [2, 3]}}}', {})
        {'best': 0.5, 'shape': (2, 3)}
    """
    try:
        parsed = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise _malformed("it is nested too deep") from None
    except (TypeError, ValueError) as error:
        raise _malformed(str(error)) from error
    return _Unpacker(tensors).unpacked(parsed, 0)


def dtypes_by_name() -> dict[str, torch.dtype]:
    """Return the dtypes of this version of PyTorch by name: ``"float32"``, ``"bfloat16"``, ..."""
    import torch

    return {str(each).removeprefix("torch."): each for each in vars(torch).values() if isinstance(each, torch.dtype)}


# --- to text ----------------------------------------------------------------------------------------------------------


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}

    def packed(self, value: Any, where: str, level: int) -> Any:
        if level > LEVELS:
            short = where if len(where) <= 60 else f"{where[:60]}..."
            raise TypeError(
                f"{short} is nested more than {LEVELS} levels deep, or contains itself: expected plain data of fewer "
                "levels; a state_dict() holds plain data"
            )
        kind = type(value)
        if value is None or kind in (bool, float):
            return value
        if kind is str:
            return _text(value)
        if kind is int:
            return value if abs(value) < _LARGEST else {"int": hex(value)}
        if kind is list:
            return [self.packed(each, f"{where}[{n}]", level + 1) for n, each in enumerate(value)]
        if kind in (dict, OrderedDict):
            return self._dict(value, where, level)
        return self._other(value, where, level)

    def _dict(self, value: dict[Any, Any], where: str, level: int) -> Any:
        for key in value:
            if not _is_key(key, level):
                raise _not_plain(key, f"the key {key!r} of {where}", "None, bool, int, float, str, or tuples of those")
        packed = [
            (self.packed(key, where, level + 1), self.packed(each, f"{where}[{key!r}]", level + 1))
            for key, each in value.items()
        ]
        if type(value) is OrderedDict:
            return {"OrderedDict": packed}
        return {"dict": dict(packed)} if all(type(key) is str for key, _ in packed) else {"items": packed}

    def _other(self, value: Any, where: str, level: int) -> Any:
        # Imported here, because importing cthulhu_core imports neither.
        import numpy as np
        import torch

        from cthulhu_core.distributed.sharding import is_sharded

        kind = type(value)
        if kind in (tuple, torch.Size):
            return {"tuple": [self.packed(each, f"{where}[{n}]", level + 1) for n, each in enumerate(value)]}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode("ascii")}
        if kind is complex:
            return {"complex": [value.real, value.imag]}
        if kind in (torch.Tensor, torch.nn.Parameter) or is_sharded(value):
            return {"tensor": self._keep(_strided(value, where))}
        if kind is np.ndarray:
            return {"array": self._keep(_as_tensor(value, where))}
        if isinstance(value, np.generic) and value.dtype.name in _SCALARS:
            return {"scalar": [value.dtype.name, value.astype(value.dtype.newbyteorder("<")).tobytes().hex()]}
        if kind is torch.dtype:
            return {"dtype": str(value).removeprefix("torch.")}
        if kind is torch.device:
            return {"device": str(value)}
        raise _not_plain(value, where, _ALLOWED)

    def _keep(self, tensor: torch.Tensor) -> str:
        name = str(len(self.tensors))
        self.tensors[name] = tensor
        return name


def _text(value: str) -> Any:
    # JSON would read two separate surrogates as one character.
    if any("\ud800" <= character <= "\udfff" for character in value):
        return {"surrogates": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _is_key(key: Any, level: int) -> bool:
    if type(key) is tuple:
        return level <= LEVELS and all(_is_key(each, level + 1) for each in key)
    return key is None or type(key) in (bool, int, float, str)


def _strided(tensor: torch.Tensor, where: str) -> torch.Tensor:
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise TypeError(
            f"{where} is a {'quantized' if tensor.is_quantized else 'sparse'} tensor: expected a dense one, "
            f"e.g. tensor.{'dequantize' if tensor.is_quantized else 'to_dense'}()"
        )
    return tensor.detach() if tensor.requires_grad or type(tensor) is not torch.Tensor else tensor


def _as_tensor(array: Any, where: str) -> torch.Tensor:
    import numpy as np
    import torch

    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    try:
        return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{where} is a NumPy array of dtype {array.dtype}, which PyTorch does not have: expected numbers or "
            f"booleans in the machine's byte order, e.g. array.astype({np.dtype('float64').name!r})"
        ) from error


def _not_plain(value: Any, where: str, allowed: str) -> TypeError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return TypeError(f"{where} is a {name}: expected {allowed}; a state_dict() holds plain data")


# --- from text --------------------------------------------------------------------------------------------------------


class _Unpacker:
    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._tensors = tensors
        self._read: dict[str, Callable[[Any, int], Any]] = {
            "dict": self._dict,
            "items": self._items,
            "OrderedDict": lambda packed, level: OrderedDict(self._items(packed, level)),
            "tuple": lambda packed, level: tuple(self._list(packed, level)),
            "tensor": lambda packed, level: self._tensor(packed),
            "array": lambda packed, level: self._tensor(packed).detach().cpu().numpy(),
            "int": lambda packed, level: int(_as(str, packed), 16),
            "surrogates": lambda packed, level: bytes.fromhex(_as(str, packed)).decode("utf-8", "surrogatepass"),
            "bytes": lambda packed, level: base64.b64decode(_as(str, packed), validate=True),
            "complex": lambda packed, level: complex(*(_as(float, each) for each in _pair(packed))),
            "scalar": lambda packed, level: _scalar(*(_as(str, each) for each in _pair(packed))),
            "dtype": lambda packed, level: _dtype(_as(str, packed)),
            "device": lambda packed, level: _device(_as(str, packed)),
        }

    def unpacked(self, packed: Any, level: int) -> Any:
        if level > LEVELS:
            raise _malformed(f"it is nested more than {LEVELS} levels deep")
        if isinstance(packed, list):
            return self._list(packed, level)
        if not isinstance(packed, dict):
            return packed
        if len(packed) != 1:
            raise _malformed(f"an object has {len(packed)} keys: expected one, which says what it is")
        ((kind, content),) = packed.items()
        if kind not in self._read:
            raise _malformed(f"there is no kind of value {kind!r}: known are {', '.join(self._read)}")
        try:
            return self._read[kind](content, level)
        except _Malformed:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise _malformed(f"{kind}: {error}") from error

    def _list(self, packed: Any, level: int) -> list[Any]:
        return [self.unpacked(each, level + 1) for each in _as(list, packed)]

    def _dict(self, packed: Any, level: int) -> dict[Any, Any]:
        return {key: self.unpacked(each, level + 1) for key, each in _as(dict, packed).items()}

    def _items(self, packed: Any, level: int) -> dict[Any, Any]:
        return {
            self.unpacked(key, level + 1): self.unpacked(each, level + 1)
            for key, each in map(_pair, _as(list, packed))
        }  # fmt: skip

    def _tensor(self, name: Any) -> torch.Tensor:
        if _as(str, name) not in self._tensors:
            raise _malformed(f"there is no tensor {name!r}")
        return self._tensors[name]


def _integer(digits: str) -> int:
    # Reading decimal digits takes time that grows with the square of their number; larger ones are hexadecimal.
    if len(digits) > len(str(-_LARGEST)):
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _as(kind: type, packed: Any) -> Any:
    if type(packed) is not kind:
        raise _malformed(f"found a {type(packed).__name__} where a {kind.__name__} was expected")
    return packed


def _pair(packed: Any) -> list[Any]:
    if len(_as(list, packed)) != 2:
        raise _malformed(f"found {len(packed)} values where two were expected")
    return list(packed)


def _scalar(name: str, content: str) -> Any:
    import numpy as np

    if name not in _SCALARS:
        raise _malformed(f"there is no dtype {name!r} of numbers: known are {', '.join(_SCALARS)}")
    dtype = np.dtype(name).newbyteorder("<")
    data = bytes.fromhex(content)
    if len(data) != dtype.itemsize:
        raise _malformed(f"found {len(data)} bytes for a {name}: expected {dtype.itemsize}")
    return np.frombuffer(data, dtype).astype(name)[0]


def _dtype(name: str) -> torch.dtype:
    known = dtypes_by_name()
    if name not in known:
        raise _malformed(f"this version of PyTorch has no dtype {name!r}")
    return known[name]


def _device(name: str) -> torch.device:
    import torch

    try:
        return torch.device(name)
    except RuntimeError as error:
        raise _malformed(f"this version of PyTorch has no device {name!r}") from error


class _Malformed(ValueError):
    """An error whose message is complete."""


def _malformed(reason: str) -> _Malformed:
    return _Malformed(f"this is not plain data as pack() writes it: {reason}")
