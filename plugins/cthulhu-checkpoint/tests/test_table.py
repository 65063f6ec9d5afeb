"""Random trainings against a second reading of the documentation, which shares no code with the first."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cthulhu.callbacks import LumpCheckpoint

VALUES = st.lists(st.sampled_from([None, math.nan, math.inf, -math.inf, 0.25, 0.5, 0.75]), max_size=10)
ARGUMENTS = st.fixed_dictionaries(
    {
        "save_best_only": st.booleans(),
        "period": st.integers(1, 4),
        "keep": st.sampled_from([None, 1, 2, 3]),
        "mode": st.sampled_from(["auto", "min", "max"]),
        "background": st.booleans(),
    }
)


def expected(values, in_name, *, save_best_only, period, keep, mode, background):
    """The epochs, from 1, whose files there are at the end."""
    sign = -1 if mode == "max" else 1
    saved, waiting = [], 0
    for epoch, value in enumerate(values, 1):
        number = math.inf if value is None or math.isnan(value) else sign * value
        bests = [sign * values[each - 1] for each in saved if values[each - 1] is not None]
        bests = [each for each in bests if not math.isnan(each)]
        waiting += 1
        due = number < min(bests, default=math.inf) if save_best_only else waiting >= period
        if due and not (in_name and value is None):
            saved.append(epoch)
            waiting = 0
    if keep is None:
        return set(saved)
    left = []
    for epoch in saved:
        left.append(epoch)
        counted = [each for each in left if values[each - 1] is not None and not math.isnan(values[each - 1])]
        best = min(counted, key=lambda each: sign * values[each - 1], default=None)
        left = [each for each in left if each in left[-keep:] or each == best]
    return set(left)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, st.booleans(), ARGUMENTS)
def test_files_are_those_that_the_documentation_says(train, files_in, values, in_name, arguments):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        name = "{epoch}.{val_loss}.h5" if in_name else "{epoch}.h5"
        train(LumpCheckpoint(Path(folder) / name, save_weights_only=True, **arguments), values)
        found = files_in(Path(folder))
    assert set(found.values()) == expected(values, in_name, **arguments)
    assert all(int(name.split(".")[0]) == epoch for name, epoch in found.items())
