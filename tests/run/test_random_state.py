"""All generators that training draws from go back to where they were."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import torch

from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.run.random_state import random_state, set_random_state


def draws() -> tuple[object, ...]:
    # A normal number leaves a second one behind, which is part of the state.
    return random.gauss(0, 1), random.random(), np.random.randn(), np.random.rand(3).tolist(), torch.randn(3).tolist()


def test_what_is_drawn_is_drawn_again() -> None:
    draws()
    state = random_state()
    first = [draws() for _ in range(3)]
    set_random_state(state)
    assert [draws() for _ in range(3)] == first


def test_state_is_plain_data() -> None:
    random.gauss(0, 1)
    np.random.randn()
    state = random_state()
    first = draws()
    set_random_state(unpack(*pack(state)))
    assert draws() == first


def test_state_does_not_change_when_more_is_drawn() -> None:
    state = random_state()
    first = draws()
    for _ in range(1000):
        draws()
    set_random_state(state)
    assert draws() == first


def test_generators_of_devices_that_are_not_here_are_left_alone() -> None:
    state = random_state()
    first = draws()
    missing = [torch.get_rng_state()] * 9
    set_random_state({**state, "cuda": [*state.get("cuda", ()), *missing[torch.cuda.device_count() :]]})
    assert draws() == first


def test_nothing_is_imported_for_it() -> None:
    code = "from cthulhu_core import random_state; import sys; random_state(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
