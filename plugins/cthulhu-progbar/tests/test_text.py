"""Progress as text: what is left out where there is little room, and how values look."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_progbar import text
from cthulhu_progbar.text import Progress, clock, last_line, running_line, value_texts

VALUES = ["loss 0.5123", "acc 0.8000"]


def test_examples_in_the_docstrings():
    assert doctest.testmod(text) == doctest.TestResults(failed=0, attempted=6)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (120, "Epoch 1/3  25% |{bar:30}| 16/64 0:02<0:06  loss 0.5123  acc 0.8000"),
        (80, "Epoch 1/3  25% |{bar:22}| 16/64 0:02<0:06  loss 0.5123  acc 0.8000"),
        (68, "Epoch 1/3  25% |{bar:10}| 16/64 0:02<0:06  loss 0.5123  acc 0.8000"),
        (67, "Epoch 1/3 16/64 0:02<0:06  loss 0.5123  acc 0.8000"),
        (50, "Epoch 1/3 16/64 0:02<0:06  loss 0.5123  acc 0.8000"),
        (49, "Epoch 1/3 16/64  loss 0.5123  acc 0.8000"),
        (39, "Epoch 1/3 25%  loss 0.5123  acc 0.8000"),
        (37, "Epoch 1/3 25%  loss 0.5123"),
        (20, "Epoch 1/3 25%"),
        (5, "Epoch"),
    ],
)
def test_what_has_no_room_is_left_out_bar_first_then_time_count_and_values(columns, line):
    assert running_line(Progress("Epoch 1/3", 16, 64, 2.0, VALUES), columns) == line


def test_more_than_was_expected_is_an_unknown_total():
    assert running_line(Progress("Epoch 1/3", 65, 64, 2.0), 80) == "Epoch 1/3 65/? 0:02"


@settings(deadline=None)
@given(
    label=st.text("ab {}", max_size=30),
    done=st.integers(0, 10**9),
    total=st.none() | st.integers(1, 10**9),
    seconds=st.floats(0, 1e7),
    values=st.lists(st.text("ab{}0.", min_size=1, max_size=30), max_size=8),
    columns=st.integers(1, 200),
)
def test_line_never_exceeds_its_columns_and_shows_values_whole(label, done, total, seconds, values, columns):
    line = running_line(Progress(label, done, total, seconds, values), columns)

    class Bar(str):
        def __format__(self, spec):
            return "#" * int(spec)

    shown = line.format(bar=Bar())
    assert len(shown) <= columns
    if columns > len(label) + 30:
        assert shown.startswith(label)
        rest = shown.removeprefix(label)
        kept = [count for count in range(len(values) + 1) if rest.endswith("".join("  " + v for v in values[:count]))]
        assert kept


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (None, ["Epoch 1/3  2.0s  loss 0.5123  acc 0.8000"]),
        (40, ["Epoch 1/3  2.0s  loss 0.5123  acc 0.8000"]),
        (39, ["Epoch 1/3  2.0s  loss 0.5123", "    acc 0.8000"]),
        (20, ["Epoch 1/3  2.0s", "    loss 0.5123", "    acc 0.8000"]),
    ],
)
def test_line_that_stays_shows_everything_on_as_many_lines_as_it_needs(columns, lines):
    assert last_line(Progress("Epoch 1/3", 64, 64, 2.0, VALUES), columns) == "\n".join(lines)


def test_line_that_stays_says_how_far_it_came_if_not_to_the_end():
    assert last_line(Progress("Epoch 1/3", 17, 64, 65.0)) == "Epoch 1/3  17/64  1:05"
    assert last_line(Progress("Epoch 1/3", 17, None, 3700.0)) == "Epoch 1/3  17/?  1:01:40"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.51234, "0.5123"),
        (0.0, "0.0000"),
        (0.001, "0.0010"),
        (0.0005, "0.0005"),
        (1.23456e-06, "1.235e-06"),
        (-12.5, "-12.5000"),
        (1234567.0, "1.235e+06"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (3, "3"),
        (np.float32(0.5), "0.5000"),
        (torch.tensor(0.5), "0.5000"),
        ("warm-up", "warm-up"),
    ],
    ids=str,
)
def test_values_are_shown_with_four_places_or_four_digits(value, shown):
    assert value_texts({"name": value}) == [f"name {shown}"]


@pytest.mark.parametrize("value", [None, [1, 2], np.zeros(3), "two\nlines", "\x1b[31m", {}], ids=repr)
def test_what_is_no_number_and_no_printable_string_is_not_shown(value):
    assert value_texts({"name": value, "loss": 0.5}) == ["loss 0.5000"]


def test_clock():
    assert [clock(seconds) for seconds in (0, 9.9, 60, 3599, 3600)] == ["0:00", "0:09", "1:00", "59:59", "1:00:00"]
