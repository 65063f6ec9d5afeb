"""Reading and averaging the values of batches, against plain numpy."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.run.averages import Averages, read

FORMS: dict[str, Any] = {
    "float": float,
    "numpy scalar": np.float32,
    "numpy array": lambda value: np.array(value, dtype=np.float32),
    "float32": torch.tensor,
    "float64": lambda value: torch.tensor(value, dtype=torch.float64),
    "float16": lambda value: torch.tensor(value, dtype=torch.float16),
    "one element": lambda value: torch.tensor([[value]]),
}


class Stateful:
    """A metric that keeps its own state, as torchmetrics objects do."""

    def __init__(self, value: float) -> None:
        self.value, self.computed = value, 0

    def compute(self) -> torch.Tensor:
        self.computed += 1
        return torch.tensor(self.value)


# --- read -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*FORMS])
def test_number_is_read_as_a_python_float(form: str) -> None:
    value = read({"loss": FORMS[form](0.5)})["loss"]
    assert type(value) is float
    assert value == 0.5


def test_integers_stay_integers() -> None:
    assert read({"count": torch.tensor(3), "steps": 4, "seen": np.int64(5)}) == {"count": 3, "steps": 4, "seen": 5}


def test_tensor_of_many_elements_is_read_as_a_list() -> None:
    assert read({"per_class": torch.tensor([0.5, 0.25])}) == {"per_class": [0.5, 0.25]}


def test_metric_with_a_state_is_computed() -> None:
    assert read({"acc": Stateful(0.75)}) == {"acc": 0.75}


def test_order_of_names_is_kept() -> None:
    assert list(read({"loss": 1.0, "acc": torch.tensor(0.5), "b": Stateful(1.0)})) == ["loss", "acc", "b"]


# --- averages -------------------------------------------------------------------------------------------------------

batches = st.lists(
    st.tuples(
        st.floats(-1e3, 1e3, width=16),
        st.integers(1, 64),
        st.sampled_from(sorted(FORMS)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(batches, st.integers(1, 30))
def test_average_is_weighted_by_samples(given_batches: list[tuple[float, int, str]], repeat: int) -> None:
    averages = Averages()
    repeated = given_batches * repeat  # up to 1200: more than are kept before they are summed
    for value, size, form in repeated:
        averages.add({"loss": FORMS[form](value)}, size)
    values, sizes = [value for value, _, _ in repeated], [size for _, size, _ in repeated]
    result = averages.result()["loss"]
    assert type(result) is float
    np.testing.assert_allclose(result, np.average(values, weights=sizes), rtol=1e-12, atol=1e-9)


def test_each_name_is_averaged_over_the_batches_that_have_it() -> None:
    averages = Averages()
    averages.add({"loss": 1.0}, 10)
    averages.add({"loss": 2.0, "rare": torch.tensor(5.0)}, 30)
    assert averages.result() == {"loss": 1.75, "rare": 5.0}


@pytest.mark.parametrize("first", [torch.tensor(2), torch.tensor(True), torch.tensor(2.0, dtype=torch.float64)])
def test_tensors_of_different_types_are_averaged(first: torch.Tensor) -> None:
    averages = Averages()
    averages.add({"value": first}, 1)
    averages.add({"value": torch.tensor(0.5)}, 1)
    assert averages.result() == {"value": (float(first) + 0.5) / 2}


def test_sums_are_exact_where_float32_would_not_be() -> None:
    averages = Averages()
    for value in (16777216.0, 1.0, 1.0):  # 2**24, where float32 ends to count
        averages.add({"loss": torch.tensor(value)}, 1)
    assert averages.result() == {"loss": 16777218.0 / 3}


def test_values_named_stateful_are_logged_as_they_are() -> None:
    averages = Averages(stateful=["acc"])
    for value in (0.5, 0.75):
        averages.add({"acc": value, "loss": value}, 8)
    assert averages.result() == {"loss": 0.625, "acc": 0.75}


def test_metric_with_a_state_is_computed_once_and_not_averaged() -> None:
    averages, metric = Averages(), Stateful(0.25)
    for metric.value in (0.5, 0.75):
        averages.add({"acc": metric}, 8)
    assert averages.result() == {"acc": 0.75}
    assert metric.computed == 1


def test_metric_with_a_state_is_not_averaged_when_its_numbers_were_read() -> None:
    averages, metric = Averages(), Stateful(0.25)
    for metric.value in (0.5, 0.75):
        values = {"acc": metric, "loss": torch.tensor(metric.value)}
        averages.add(values, 8, numbers=read(values))
    assert averages.result() == {"loss": 0.625, "acc": 0.75}


def test_nan_is_not_hidden() -> None:
    averages = Averages()
    averages.add({"a": 1.0, "b": torch.tensor(float("nan"))}, 1)
    averages.add({"a": float("nan"), "b": torch.tensor(1.0)}, 1)
    result = averages.result()
    assert np.isnan(result["a"])
    assert np.isnan(result["b"])


def test_nothing_added_averages_to_nothing() -> None:
    assert Averages().result() == {}


def test_reset_forgets() -> None:
    averages = Averages(stateful=["acc"])
    averages.add({"loss": torch.tensor(1.0), "other": 2.0, "acc": 1.0}, 1)
    averages.reset()
    averages.add({"loss": torch.tensor(3.0)}, 1)
    assert averages.result() == {"loss": 3.0}


def test_result_may_be_asked_for_in_between() -> None:
    averages = Averages()
    averages.add({"loss": torch.tensor(1.0)}, 1)
    assert averages.result() == {"loss": 1.0}
    averages.add({"loss": torch.tensor(2.0)}, 1)
    assert averages.result() == {"loss": 1.5}


def test_value_that_is_no_number_is_named() -> None:
    averages = Averages()
    averages.add({"loss": torch.tensor([1.0, 2.0])}, 1)
    with pytest.raises(ValueError, match=r"'loss' is recorded as Tensor of shape \[2\]: expected one number per batch"):
        averages.result()


def test_text_is_no_number() -> None:
    with pytest.raises(ValueError, match="'note' is recorded as 'fine': expected one number per batch"):
        Averages().add({"note": "fine"}, 1)


def test_memory_does_not_grow_with_batches() -> None:
    averages, value = Averages(), torch.tensor(0.5)
    tracemalloc.start()
    try:
        for batch in range(50_000):
            averages.add({"loss": value, "acc": 0.5}, 32)
            if batch == 5_000:
                before, _ = tracemalloc.get_traced_memory()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000  # bytes: one a batch would be as many
    assert averages.result() == {"loss": 0.5, "acc": 0.5}


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 255, 256, 257, 600])
def test_averages_that_go_on_have_the_bits_of_those_that_were_never_interrupted(at: int) -> None:
    generator = torch.Generator().manual_seed(at)
    batches = [(torch.randn((), generator=generator), float(torch.randn((), generator=generator))) for _ in range(600)]

    def add(averages: Averages, some: list[tuple[torch.Tensor, float]]) -> None:
        for number, (tensor, plain) in enumerate(some):
            averages.add({"loss": tensor, "plain": plain, "last": number}, 3)

    whole, before, after = Averages({"last"}), Averages({"last"}), Averages({"last"})
    add(whole, batches)
    add(before, batches[:at])
    state = unpack(*pack(before.state_dict()))
    add(before, batches[at:])
    after.load_state_dict(state, torch.device("cpu"))
    add(after, batches[at:])
    expected = whole.result() | {"last": 599 - at if at < 600 else 599}
    assert after.result() == expected
    assert before.result() == expected


def test_state_keeps_the_value_of_a_metric_that_keeps_its_own_state() -> None:
    class Metric:
        def compute(self) -> float:
            return 0.75

    averages, other = Averages(), Averages()
    averages.add({"acc": Metric()}, 1)
    other.load_state_dict(averages.state_dict())
    assert other.result() == {"acc": 0.75}
