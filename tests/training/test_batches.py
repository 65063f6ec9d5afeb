"""Data of every kind gives the same batches; it stays what it was, on disk where it is on disk."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.training.data import make_batches
from cthulhu_core.training.placement import Placement

pytestmark = pytest.mark.usefixtures("no_plugins")

N, BATCH = 22, 5
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=N).astype(np.float32)


def trained(x: Any, y: Any = None, **arguments: Any) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    torch.manual_seed(0)
    model = Pile([Daoloth(4, input_dim=3, activation="tanh"), Daoloth(1)])
    model.conjure("adam", "mse", ["mae"])
    history = model.summon(x, y, epochs=2, shuffle=False, verbose=0, **arguments)
    return model.get_weights(), history.history


class Rows(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.float32]:
        return X[row], Y[row]


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[tuple[np.ndarray, np.float32]]:
        return zip(X, Y, strict=True)


def list_of_batches() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(X[start : start + BATCH], Y[start : start + BATCH]) for start in range(0, N, BATCH)]


def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        yield from list_of_batches()


def loader(**arguments: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=BATCH, **arguments)


class Again:
    """An iterable without a length that can begin again."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iter(list_of_batches())


SIZE = {"batch_size": BATCH}

SOURCES: dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]] = {
    "tensors": lambda: (torch.tensor(X), torch.tensor(Y), SIZE),
    "lists": lambda: (X.tolist(), Y.tolist(), SIZE),
    "double precision": lambda: (X.astype(np.float64), Y.astype(np.float64), SIZE),
    "columns": lambda: (X, Y.reshape(N, 1), SIZE),
    "other strides": lambda: (np.asfortranarray(X), Y[::-1][::-1], SIZE),
    "other byte order": lambda: (X.astype(">f4"), Y.astype(">f8"), SIZE),
    "frame and series": lambda: (pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y), SIZE),
    "TensorDataset": lambda: (TensorDataset(torch.tensor(X), torch.tensor(Y)), None, SIZE),
    "Dataset": lambda: (Rows(), None, SIZE),
    "IterableDataset": lambda: (Stream(), None, SIZE),
    "DataLoader": lambda: (loader(), None, {}),
    "list of batches": lambda: (list_of_batches(), None, {}),
    "list of a loader": lambda: (list(loader()), None, {}),
    "generator": lambda: (endless(), None, {"steps_per_epoch": 5}),
    "iterable": lambda: (Again(), None, {}),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_data_gives_the_same_bits(source: str) -> None:
    weights, history = trained(X, Y, batch_size=BATCH)
    x, y, arguments = SOURCES[source]()
    other_weights, other_history = trained(x, y, **arguments)
    assert all(np.array_equal(a, b) for a, b in zip(weights, other_weights, strict=True))
    assert other_history == history


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_mapped_files_give_the_same_bits(tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    Y.tofile(tmp_path / "y.raw")
    x = np.load(tmp_path / "x.npy", mmap_mode=mode)
    y = np.memmap(tmp_path / "y.raw", np.float32, mode)
    for arguments in ({}, {"validation_split": 0.3}):
        found, expected = trained(x, y, batch_size=BATCH, **arguments), trained(X, Y, batch_size=BATCH, **arguments)
        assert all(np.array_equal(a, b) for a, b in zip(found[0], expected[0], strict=True))
        assert found[1] == expected[1]


def test_rows_keep_together_when_shuffled() -> None:
    class Spy(Callback):
        def on_train_begin(self, logs: Any) -> None:
            self.seen: list[Tensor] = []

        def on_gradients(self, batch: int) -> None:
            inputs, targets = self.run.current.inputs, self.run.current.targets
            assert torch.equal(inputs[:, 0] * 2, targets)
            self.seen.append(inputs[:, 0].clone())

    spy = Spy()
    x = np.arange(100, dtype=np.float32).reshape(100, 1)
    model = Lump(nn.Linear(1, 1))
    model.conjure("sgd", lambda output, target: output.mean() * 0)
    model.summon(x, x[:, 0] * 2, batch_size=7, verbose=0, callbacks=spy)
    order = torch.cat(spy.seen)
    assert not torch.equal(order, torch.arange(100.0))
    assert torch.equal(order.sort().values, torch.arange(100.0))
    assert [len(rows) for rows in spy.seen] == [7] * 14 + [2]


def test_blocks_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows are gathered for many batches at once; where a block ends must make no difference.
    expected = trained(X, Y, batch_size=BATCH)
    for size in (1, 100, 200, 10**6):
        monkeypatch.setattr("cthulhu_core.training.array_batches._BLOCK_BYTES", size)
        found = trained(X, Y, batch_size=BATCH)
        assert all(np.array_equal(a, b) for a, b in zip(found[0], expected[0], strict=True))


# --- dtypes -----------------------------------------------------------------------------------------------------------


def first(x: Any, y: Any, model: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    batches = make_batches(x, y, None, batch_size=4, placement=Placement(model or nn.Linear(1, 1)))
    inputs, targets, _ = batches.first()
    return inputs, targets


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float16, torch.float32), (np.float32, torch.float32), (np.float64, torch.float32),
        (np.bool_, torch.bool), (np.uint8, torch.uint8), (np.int8, torch.int8), (np.int32, torch.int32),
        (np.int64, torch.int64), (np.uint16, torch.int64), (np.uint32, torch.int64), (np.dtype(">i4"), torch.int32),
    ],
)  # fmt: skip
def test_floats_take_the_precision_of_the_model_and_integers_stay(given: Any, expected: torch.dtype) -> None:
    values = np.array([0, 1, 1, 0])
    inputs, targets = first(values.reshape(4, 1).astype(given), values.astype(given))
    assert (inputs.dtype, targets.dtype) == (expected, expected)
    assert (inputs.flatten().tolist(), targets.tolist()) == ([0, 1, 1, 0], [0, 1, 1, 0])


def test_targets_of_a_model_in_half_precision_keep_theirs() -> None:
    inputs, targets = first(np.ones((4, 1)), np.ones(4), nn.Linear(1, 1).half())
    assert (inputs.dtype, targets.dtype) == (torch.float16, torch.float32)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.bool_, np.int16, np.uint16])
def test_numbers_of_any_type_can_be_trained_on(dtype: Any) -> None:
    x, y = (X > 0).astype(dtype), (Y > 0).astype(dtype)
    weights, history = trained(x, y, batch_size=BATCH)
    expected, expected_history = trained(x.astype(np.float32), y.astype(np.float32), batch_size=BATCH)
    assert all(np.array_equal(a, b) for a, b in zip(weights, expected, strict=True))
    assert history == expected_history


# --- what is given stays what it was ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda x, y: (x, y, {"batch_size": 4}),
        lambda x, y: (torch.from_numpy(x), torch.from_numpy(y), {"batch_size": 4}),
        lambda x, y: (TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), None, {"batch_size": 4}),
        lambda x, y: ([(x, y)], None, {}),
        lambda x, y: ([(torch.from_numpy(x), torch.from_numpy(y))], None, {}),
        lambda x, y: (iter([(torch.from_numpy(x), torch.from_numpy(y))] * 2), None, {"steps_per_epoch": 1}),
        lambda x, y: (DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), 4), None, {}),
    ],
    ids=["array", "tensor", "TensorDataset", "batches of arrays", "batches of tensors", "generator", "loader"],
)
def test_model_that_works_in_place_does_not_reach_the_data(wrap: Any, shuffle: bool) -> None:
    x, y = X.copy(), Y.copy()
    data, targets, arguments = wrap(x, y)
    model = Pile([nn.ReLU(inplace=True), Daoloth(1)])
    model.conjure("sgd", "mse")
    model.summon(data, targets, epochs=2, shuffle=shuffle, verbose=0, **arguments)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_evaluate_and_predict_do_not_reach_the_data_either() -> None:
    x = X.copy()
    model = Pile([nn.ReLU(inplace=True), Daoloth(1)])
    model.conjure("sgd", "mse")
    for data in (x, torch.from_numpy(x)):
        model.predict(data)
        model.evaluate(data, Y, verbose=0)
        model.test_on_batch(data, Y)
    assert np.array_equal(x, X)


# --- numbers that callbacks are told ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "arguments", "expected"),
    [
        (X, Y, {}, {"batch_size": 32, "steps": 1, "samples": N}),
        (X, Y, {"batch_size": 5}, {"batch_size": 5, "steps": 5, "samples": N}),
        (X, Y, {"batch_size": 5, "steps_per_epoch": 2}, {"batch_size": 5, "steps": 2, "samples": 10}),
        (Rows(), None, {"batch_size": 5}, {"batch_size": 5, "steps": 5, "samples": N}),
        (loader(), None, {}, {"batch_size": 5, "steps": 5, "samples": N}),
        (loader(drop_last=True), None, {}, {"batch_size": 5, "steps": 4, "samples": 20}),
        (loader(), None, {"steps_per_epoch": 3}, {"batch_size": 5, "steps": 3, "samples": None}),
        (Stream(), None, {"batch_size": 5}, {"batch_size": 5, "steps": None, "samples": None}),
        (list_of_batches(), None, {}, {"batch_size": None, "steps": 5, "samples": None}),
        (Again(), None, {"steps_per_epoch": 3}, {"batch_size": None, "steps": 3, "samples": None}),
    ],
)
def test_params_say_what_is_known(x: Any, y: Any, arguments: dict[str, int], expected: dict[str, Any]) -> None:
    class Spy(Callback):
        pass

    spy = Spy()
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    model.summon(x, y, verbose=0, callbacks=spy, **arguments)  # type: ignore[arg-type]
    assert {name: spy.params[name] for name in expected} == expected


# --- generators -------------------------------------------------------------------------------------------------------


def counted(numbers: list[int], batches: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for number in range(batches):
        numbers.append(number)
        yield X[:BATCH], Y[:BATCH]


def test_generator_is_asked_for_no_batch_too_many_and_goes_on_in_the_next_epoch() -> None:
    numbers: list[int] = []
    model = Pile([Daoloth(1)])
    model.conjure("sgd", "mse")
    generator = counted(numbers, 100)
    # The first batch shows the sizes, and is trained on all the same.
    history = model.summon(generator, steps_per_epoch=3, epochs=2, verbose=0)
    assert numbers == list(range(6))
    assert history.epoch == [0, 1]
    model.summon(generator, steps_per_epoch=3, verbose=0)
    assert numbers == list(range(9))


def test_generator_serves_any_number_of_epochs() -> None:
    numbers: list[int] = []
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    history = model.summon(counted(numbers, 10**9), steps_per_epoch=1, epochs=2000, verbose=0)
    assert len(history.epoch) == 2000
    assert numbers == list(range(2000))


def test_exhausted_generator_ends_epoch_and_training_with_a_warning() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.warns(UserWarning, match="the data ended after 2 of 3 batches, and a generator cannot begin again"):
        history = model.summon(counted([], 5), steps_per_epoch=3, epochs=9, verbose=0)
    assert history.epoch == [0, 1]
    assert len(history.history["loss"]) == 2


def test_generator_that_ends_with_an_epoch_leaves_no_epoch_without_values() -> None:
    class NeedsLoss(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert logs["loss"] > 0

    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.warns(UserWarning, match="the data ended with an epoch before the last, and a generator cannot"):
        history = model.summon(
            counted([], 4), steps_per_epoch=2, epochs=9, verbose=0, validation_data=(X, Y), callbacks=NeedsLoss()
        )
    assert history.epoch == history.epochs_of("val_loss") == [0, 1]


def test_exhausted_validation_generator_does_not_end_training() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.warns(UserWarning, match="validation data ended after . of 2 batches"):
        history = model.summon(X, Y, epochs=3, verbose=0, validation_data=counted([], 3), validation_steps=2)
    assert history.epoch == [0, 1, 2]
    assert history.epochs_of("val_loss") == [0, 1]


def test_data_that_begins_again_warns_when_it_is_shorter_than_asked() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.warns(UserWarning, match="the data ended after 5 of 8 batches$"):
        history = model.summon(Again(), steps_per_epoch=8, epochs=2, verbose=0)
    assert history.epoch == [0, 1]


def test_more_steps_than_rows_are_warned_about() -> None:
    with pytest.warns(UserWarning, match="the data has 5 batches of 5 samples, but 9 steps were requested"):
        trained(X, Y, batch_size=BATCH, steps_per_epoch=9)


# --- files larger than memory -----------------------------------------------------------------------------------------

GROWTH = """
    import resource, sys
    import numpy as np, torch
    from torch import nn
    from cthulhu.models import Lump

    rows, columns = 2**21, 256  # 2 GiB of float32, all of it a hole in the file
    with open(sys.argv[1], "wb") as file:
        file.truncate(rows * columns * 4)
    x = np.memmap(sys.argv[1], np.float32, "r", shape=(rows, columns))
    y = np.zeros(rows, np.int64)
    model = Lump(nn.Linear(columns, 2))
    model.conjure("sgd", nn.CrossEntropyLoss(), ["acc"])
    model.summon(x[:64], y[:64], verbose=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.summon(x, y, batch_size=64, steps_per_epoch=30, validation_split=0.5, validation_steps=10, verbose=0,
                 class_weight={0: 1.0})
    model.predict(x, steps=5)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_file_larger_than_what_is_read_stays_on_disk(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GROWTH), str(tmp_path / "x.raw")],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    # The order of the rows is 16 MiB, their classes and weights as much again.
    assert float(result.stdout) < 250
