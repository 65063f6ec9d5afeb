"""What is counted piece by piece is what NumPy counts of the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cthulhu_tensorboard import bin_counts
from cthulhu_tensorboard.bin_counts import BinCounts, histograms, limits


def counted(*parts):
    counting = BinCounts()
    for part in parts:
        counting.add(torch.as_tensor(part))
    return histograms([counting])[0]


def numpy_counts(values):
    """From the upper limit of each bucket with values to their number."""
    edges = [-np.inf, *limits(), np.inf]
    counts, _ = np.histogram(values.astype(float), bins=edges)
    return {min(upper, np.finfo(float).max): count for upper, count in zip(edges[1:], counts, strict=True) if count}


def counts_of(histogram):
    return {upper: count for upper, count in zip(histogram.upper, histogram.counts, strict=True) if count}


def test_limits_rise_by_a_tenth_and_are_numbers_that_float32_has():
    assert list(limits()) == np.float32(limits()).astype(float).tolist() == sorted(set(limits()))
    assert limits()[len(limits()) // 2] == 0
    assert limits()[-1] == pytest.approx(1e20, rel=0.1)
    positive = np.array([limit for limit in limits() if limit > 0])
    assert positive[1:] / positive[:-1] == pytest.approx(1.1)


@settings(deadline=None)
@given(st.sampled_from([np.float16, np.float32, np.float64]), st.data())
def test_counts_are_those_of_numpy(dtype, data):
    element = {"allow_nan": False, "allow_infinity": False}
    values = data.draw(arrays.arrays(dtype, st.integers(1, 30), elements=element))
    cut = data.draw(st.integers(0, len(values)))
    histogram = counted(values[:cut], values[cut:])
    assert counts_of(histogram) == numpy_counts(values)
    assert (histogram.num, histogram.min, histogram.max) == (len(values), values.min(), values.max())


def test_values_on_a_limit_are_in_the_bucket_above_it():
    values = np.array(limits())
    assert counts_of(counted(values)) == numpy_counts(values)
    assert counts_of(counted(values.astype(np.float32))) == numpy_counts(values)


def test_large_tensors_are_counted_in_pieces(monkeypatch):
    values = np.random.default_rng(0).normal(size=(10, 37)).astype(np.float32)
    monkeypatch.setattr(bin_counts, "_PIECE", 16)
    histogram = counted(values)
    assert counts_of(histogram) == numpy_counts(values)
    assert histogram.sum == pytest.approx(values.sum(dtype=float))
    assert histogram.sum_squares == pytest.approx((values.astype(float) ** 2).sum())


def test_first_and_last_bucket_hold_the_smallest_and_the_largest_value():
    histogram = counted([1.05, 1.05, 2.0])
    assert (histogram.counts[0], histogram.counts[-1]) == (2, 1)
    assert 1.05 < histogram.upper[0] < 1.2 < histogram.upper[-2] <= 2.0 < histogram.upper[-1]


def test_values_that_are_not_finite_are_set_apart():
    histogram = counted([1.0, math.nan, math.inf, 3.0, -math.inf])
    assert histogram.not_finite == 3
    assert (histogram.num, histogram.min, histogram.max, histogram.sum, histogram.sum_squares) == (2, 1, 3, 4, 10)
    assert sum(histogram.counts) == 2


@pytest.mark.parametrize("values", [[], [math.nan, math.inf], np.array([1j])])
def test_without_a_finite_real_number_there_is_nothing(values):
    histogram = counted(values)
    assert (histogram.num, histogram.upper, histogram.counts) == (0, [], [])


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (torch.tensor([True, False, True]), 2),
        (torch.tensor([2**40, 1]), 2**40 + 1),
        (torch.tensor([1.5, 2.5], dtype=torch.bfloat16), 4),
        (torch.tensor([[0.0, 2.0], [0.0, 0.0]]).to_sparse(), 2),
        (torch.ones((), requires_grad=True), 1),
    ],
)
def test_all_kinds_of_tensors_are_counted(values, total):
    histogram = counted(values)
    assert (histogram.num, histogram.sum) == (values.numel(), total)


def test_several_are_read_in_their_order():
    tallies = [BinCounts(), BinCounts(), BinCounts()]
    tallies[0].add(torch.ones(3))
    tallies[2].add(torch.zeros(2))
    assert [histogram.num for histogram in histograms(tallies)] == [3, 0, 2]
