"""The logged learning rates, and the example in the README."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from cthulhu.callbacks import LogLearningRate
from cthulhu_core import Run

README = Path(__file__).parents[1] / "README.md"


def test_rate_at_the_end_of_each_epoch_is_logged() -> None:
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with Run(model, optimizer, epochs=3, callbacks=[LogLearningRate()]) as run:
        for _ in run.epochs():
            for _ in run.batches([torch.zeros(1, 1)]):
                run.record(loss=1.0)
            optimizer.param_groups[0]["lr"] /= 2
    assert run.history.history["lr"] == [0.25, 0.125, 0.0625]


def test_example_runs_as_it_is_printed(capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == "[0.01, 0.01, 0.01]\n"
