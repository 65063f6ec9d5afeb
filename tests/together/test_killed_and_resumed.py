"""A training that is killed at any moment and resumed ends as the one that nobody killed, to the last bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("training_that_is_killed.py")
KILLS = 13


@pytest.mark.skipif(not hasattr(os, "fork"), reason="trainings are forked, so that each does not import torch again")
@pytest.mark.parametrize("half", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_killed_training_ends_with_the_same_bits(tmp_path: Path, half: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(seed), str(KILLS)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    whole, *killed = map(json.loads, done.stdout.splitlines())
    assert len(killed) == KILLS
    assert all(each["moments"] for each in killed)
    outcome = whole["outcome"]
    # What could go wrong is in play: the rate was lowered, training was stopped, the best weights were restored.
    assert 5 < len(outcome["epochs"]) == outcome["csv"].count("\n") - 1
    assert len(set(outcome["history"]["lr"])) > 1
    assert outcome["stop"]["stopped"]
    assert outcome["stop"]["best_weights"] == outcome["weights"]
    steps = {curve: [step for step, _ in points] for curve, points in outcome["curves"].items()}
    assert steps["train/epoch_loss"] == steps["validation/epoch_loss"] == outcome["epochs"]
    assert steps["train/batch_loss"] == list(range(1, 10 * len(outcome["epochs"]) + 1))
    for each in killed:
        assert each["outcome"] == outcome, (seed, each["moments"])
