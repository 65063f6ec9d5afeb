"""Checkpoints as folders, for sharded models: all processes write, and all read.

::

    model.dcp/
        checkpoint.json                 index: the folder and its tensors; replaced atomically after each save
        3f9a01c2/                       the files of one save
            whole.safetensors           tensors that are not sharded
            parts/shard-*.safetensors   the others, as torch.distributed.checkpoint stores them, without pickle

See writer.py and reader.py for HDF5 files.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint, CheckpointError, atomic_write, pack, unpack

Result = TypeVar("Result")

INDEX = "checkpoint.json"
WHOLE = "whole.safetensors"
PARTS = "parts"
FORMAT = 1


def check_installed(in_parts: bool) -> None:
    """Check that the required packages are installed, for sharded models if ``in_parts``.

    Raises:
        ImportError: If one is missing. The message says what to install.
    """
    if find_spec("safetensors") is None:
        raise ImportError(".dcp folders need safetensors: pip install 'cthulhu-checkpoint[parts]'")
    if in_parts:
        _storage()


def save(checkpoint: Checkpoint, filepath: str | os.PathLike[str]) -> None:
    """Write ``checkpoint`` to the folder ``filepath``, whole or not at all.

    If tensors are sharded, all processes must call this function, and each waits for the others.

    Raises:
        CheckpointError: If it holds something that cannot be stored, or another process could not write its shards.
        OSError: If the folder cannot be written.
    """
    check_installed(_has_parts(checkpoint))
    writer.wait_for_the_last()
    _save(checkpoint, Path(filepath), None)


def save_later(checkpoint: Checkpoint, filepath: str | os.PathLike[str]) -> Future[None]:
    """Write ``checkpoint``, which must not change any more, in the background. Errors are those of :func:`save`."""
    check_installed(_has_parts(checkpoint))
    return writer.in_background(_save, checkpoint, Path(filepath), _Talk.apart() if _has_parts(checkpoint) else None)


class _Talk:
    """The process group of background saves, whose messages must not mix with those of training."""

    _of: Any = None
    _group: Any = None

    @classmethod
    def apart(cls) -> Any:
        """Return the group. All processes must call this together."""
        if cls._of is not dist.group.WORLD:
            cls._of, cls._group = dist.group.WORLD, dist.new_group(backend="gloo")
        return cls._group


# --- writing --------------------------------------------------------------------------------------------------------


def _has_parts(checkpoint: Checkpoint) -> bool:
    return any(_is_part(tensor) for layer in checkpoint.weights.values() for tensor in layer.values())


def _is_part(tensor: torch.Tensor) -> bool:
    return hasattr(tensor, "device_mesh")


def _save(checkpoint: Checkpoint, folder: Path, group: Any) -> None:
    is_main = not dist.is_initialized() or dist.get_rank() == 0
    if not _has_parts(checkpoint):
        if is_main:
            _write(folder, _new_name(), *_packed(checkpoint), [])
        return
    text, tensors = _in_all(group, lambda: _packed(checkpoint))
    # The text refers to tensors by numbers, which may differ between processes. Their order is the same.
    parts = [name for name, tensor in tensors.items() if _is_part(tensor)]
    name = _name_of_main(group)
    try:
        _write_parts([tensors[each] for each in parts], folder / name / PARTS, group)
        _in_all(group, lambda: _write(folder, name, text, tensors, parts) if is_main else None)
    except (OSError, CheckpointError):
        shutil.rmtree(folder / name, ignore_errors=True)
        raise


def _in_all(group: Any, act: Callable[[], Result]) -> Result:
    """Return the result of ``act``. If it fails in any process, raise in all: its error, or that another one failed."""
    error: Exception | None = None
    result: Any = None
    try:
        result = act()
    except (OSError, CheckpointError) as raised:
        error = raised
    if _sum(int(error is not None), group):
        raise error or CheckpointError("another process could not save its shards; its own message says why")
    given: Result = result
    return given


def _packed(checkpoint: Checkpoint) -> tuple[str, dict[str, torch.Tensor]]:
    try:
        return pack({"weights": checkpoint.weights, "extra": checkpoint.extra, "state": checkpoint.state}, "checkpoint")
    except (TypeError, ValueError) as error:
        raise CheckpointError(str(error)) from error


def _new_name() -> str:
    return os.urandom(4).hex()


def _name_of_main(group: Any) -> str:
    """Return the name that the main process chose, in all processes."""
    chosen = int(_new_name(), 16) if dist.get_rank() == 0 else 0
    return f"{_sum(chosen, group):08x}"


def _sum(number: int, group: Any) -> int:
    total = torch.tensor(number, device="cuda" if dist.get_backend(group) == "nccl" else "cpu")
    dist.all_reduce(total, group=group)
    return int(total)


def _write_parts(tensors: list[torch.Tensor], folder: Path, group: Any) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save as save_parts

    storage = _storage().HuggingFaceStorageWriter(str(folder), save_distributed=True)
    state: dict[str, Any] = {str(number): tensor.contiguous() for number, tensor in enumerate(tensors)}
    try:
        save_parts(state, storage_writer=storage, process_group=group)
    except CheckpointException as error:
        raise CheckpointError(f"the shards could not be written: {_reasons(error)}") from error


def _write(folder: Path, name: str, text: str, tensors: Mapping[str, torch.Tensor], parts: list[str]) -> None:
    """Write the tensors that are not sharded, then the index, which completes the checkpoint."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    (folder / name).mkdir(parents=True, exist_ok=True)
    whole = {each: _own(tensor) for each, tensor in tensors.items() if each not in parts}
    index = {
        "cthulhu_checkpoint": FORMAT,
        "folder": name,
        "parts": {each: _described(tensors[each]) for each in parts},
        "data": text,
    }
    try:
        save_file(whole, folder / name / WHOLE)
    except (SafetensorError, KeyError, ValueError) as error:
        raise _as_os_error(error) or CheckpointError(f"it cannot be stored as safetensors: {error}") from error
    with (folder / name / WHOLE).open("rb+") as file:
        os.fsync(file.fileno())
    with atomic_write(folder / INDEX) as partial:
        partial.write_text(json.dumps(index), encoding="utf-8")
    for other in folder.iterdir():
        if other.name != name and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def _described(tensor: Any) -> list[Any]:
    """Return the shape, the dtype and the sharded dimension."""
    (placement,) = tensor.placements
    return [list(tensor.shape), str(tensor.dtype).removeprefix("torch."), placement.dim]


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """Return ``tensor`` in memory of its own: safetensors rejects shared memory."""
    tensor = tensor.detach()
    owns = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor.cpu() if owns else tensor.cpu().clone(memory_format=torch.contiguous_format)


def _as_os_error(error: Exception) -> OSError | None:
    """Return the operating system's error inside an error of safetensors, if there is one."""
    import re

    found = re.search(r"\(os error (\d+)\)", str(error))
    return None if found is None else OSError(int(found[1]), os.strerror(int(found[1])))


def _reasons(error: Any) -> str:
    """Return the failure of each process in a ``CheckpointException``."""
    return "; ".join(f"rank {rank}: {failure[0]}" for rank, failure in error.failures.items())


def _storage() -> Any:
    try:
        from torch.distributed.checkpoint import hf_storage

        return hf_storage
    except ImportError:
        raise ImportError(
            f"checkpoints of sharded models need PyTorch 2.9 or newer, but this is {torch.__version__}: upgrade it"
        ) from None


# --- reading --------------------------------------------------------------------------------------------------------


def load(filepath: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint in the folder ``filepath``. With several processes, each loads its own shards.

    Raises:
        CheckpointError: If the folder is damaged or is not a checkpoint.
    """
    check_installed(in_parts=False)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(filepath)
    index = _index(folder)
    data = folder / index["folder"]
    try:
        tensors: dict[str, torch.Tensor] = load_file(data / WHOLE)
        tensors.update(_load_parts(index["parts"], data / PARTS))
        found = unpack(index["data"], tensors)
        return Checkpoint(found["weights"], found["extra"], found["state"])
    except FileNotFoundError as error:
        raise CheckpointError(f"it is damaged: {error.filename or error} is missing", folder) from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"it is damaged: {error}", folder) from error


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        name, parts, written = index["folder"], index["parts"], index["cthulhu_checkpoint"]
        if not (isinstance(name, str) and Path(name).name == name and isinstance(parts, dict)):
            raise ValueError("it does not have the contents of an index")
    except FileNotFoundError:
        raise CheckpointError(f"it has no {INDEX}: it is not a checkpoint, or was never completed", folder) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{INDEX} is damaged: {error}", folder) from error
    if written != FORMAT:
        raise CheckpointError(
            f"it has format {written!r}, but this version of cthulhu-checkpoint reads only {FORMAT}: "
            "pip install --upgrade cthulhu-checkpoint"
        )
    return dict(index)


def _load_parts(parts: Mapping[str, Any], folder: Path) -> dict[str, torch.Tensor]:
    if not parts:
        return {}
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load as load_parts

    state = {str(number): _room(*described) for number, described in enumerate(parts.values())}
    try:
        with warnings.catch_warnings():
            # A single process may load without torch.distributed.
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            load_parts(state, storage_reader=_storage().HuggingFaceStorageReader(str(folder)))
    except CheckpointException as error:
        raise CheckpointError(f"it is damaged: {_reasons(error)}", folder.parent.parent) from error
    return dict(zip(parts, state.values(), strict=True))


def _room(shape: list[int], dtype: str, dimension: int) -> Any:
    """Return an empty tensor, or its shard of this process, to load into."""
    kind = getattr(torch, dtype)
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return torch.empty(shape, dtype=kind)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, empty

    mesh = init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (dist.get_world_size(),))
    return empty(shape, dtype=kind, device_mesh=mesh, placements=[Shard(dimension)])
