"""Several processes that share a batch give the losses of one process that has it whole."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cthulhu_core.testing import run_ranks

SCRIPT = dedent("""
    import json
    import torch
    import torchmetrics
    from torch.utils.data import DataLoader, TensorDataset
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump
    from cthulhu_core.distributed.ranks import world_size

    torch.set_num_threads(1)
    X = torch.randn(N_SAMPLES, 6, generator=torch.Generator().manual_seed(0))
    Y = torch.randint(0, 4, (N_SAMPLES,), generator=torch.Generator().manual_seed(1))

    class Steps(Callback):
        def on_train_begin(self, logs):
            self.steps = 0

        def on_gradients(self, batch):
            self.steps += 1

    def whole(weight):
        return (weight.full_tensor() if hasattr(weight, "full_tensor") else weight).detach()

    def train(kind, metrics=("acc",), **options):
        torch.manual_seed(3)
        size = 8 // world_size()
        model = Lump(torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4)))
        loss = torch.nn.CrossEntropyLoss()
        model.conjure(lambda weights: torch.optim.SGD(weights, lr=0.1), loss, list(metrics), **options)
        steps = Steps()
        if kind == "arrays":
            data = {"x": X, "y": Y, "batch_size": size}
        elif kind == "in order":
            data = {"x": X, "y": Y, "batch_size": size, "shuffle": False}
        else:
            drop_last = kind == "loader that drops the last"
            data = {"x": DataLoader(TensorDataset(X, Y), size, shuffle=True, drop_last=drop_last)}
        history = model.summon(**data, epochs=2, verbose=0, callbacks=steps, validation_data=(X[:19], Y[:19]))
        evaluated = model.evaluate(X, Y, size, verbose=0)
        weights = [float(whole(weight).double().abs().sum()) for weight in model.parameters()]
        return {"history": history.history, "evaluated": evaluated, "weights": weights, "steps": steps.steps}

    CASES = {
        "arrays": {"kind": "arrays"},
        "in order": {"kind": "in order"},
        "loader": {"kind": "loader"},
        "loader that drops the last": {"kind": "loader that drops the last"},
        "several batches to a step": {"kind": "arrays", "accumulate": 3},
        "clipped": {"kind": "arrays", "clipnorm": 0.05},
        "a metric that keeps a state": {
            "kind": "arrays", "metrics": [torchmetrics.Accuracy("multiclass", num_classes=4)]
        },
        "half precision": {"kind": "arrays", "autocast": "bfloat16"},
        "in parts": {"kind": "arrays", "strategy": "fsdp"},
        "in parts, several batches to a step, clipped": {
            "kind": "loader", "strategy": "fsdp", "accumulate": 3, "clipnorm": 0.05
        },
        "in parts, half precision": {"kind": "arrays", "strategy": "fsdp", "autocast": "bfloat16"},
    }
    print(json.dumps({name: train(**case) for name, case in CASES.items()}))
""")


def run(ranks: int, samples: int, folder: Path) -> list[dict[str, Any]]:
    code = SCRIPT.replace("N_SAMPLES", str(samples))
    done = run_ranks(code, folder, timeout=120, ranks=ranks)
    assert [each.status for each in done] == [0] * ranks, done[0].errors + done[-1].errors
    return [json.loads(each.printed) for each in done]


def flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for each in value.values() for number in flat(each)]
    return [number for each in value for number in flat(each)] if isinstance(value, list) else [value]


# 80 samples are ten whole batches, 83 leave three for two ranks, and 81 one, of which one rank has nothing.
@pytest.mark.parametrize(
    ("ranks", "samples"),
    [(2, 83), pytest.param(2, 81, marks=pytest.mark.slow), pytest.param(4, 82, marks=pytest.mark.slow)],
)
def test_losses_are_those_of_one_process_with_the_whole_batch(tmp_path: Path, ranks: int, samples: int) -> None:
    (alone,) = run(1, samples, tmp_path / "alone")
    together = run(ranks, samples, tmp_path / "together")
    for name, expected in alone.items():
        # Of half precision, one sample more or less may be classified as it should.
        tolerance, least = (1e-2, 0.03) if "half precision" in name else (1e-6, 1e-6)
        for rank in together:
            assert rank[name]["history"] == together[0][name]["history"], name
            assert rank[name]["steps"] == expected["steps"], name
            assert list(rank[name]["history"]) == list(expected["history"]), name
            assert flat(rank[name]) == pytest.approx(flat(expected), rel=tolerance, abs=least), name


COMPILED = dedent("""
    import torch
    from cthulhu.models import Lump

    torch.set_num_threads(1)
    X = torch.randn(84, 6, generator=torch.Generator().manual_seed(0))
    Y = torch.randint(0, 4, (84,), generator=torch.Generator().manual_seed(1))
    for strategy in ("ddp", "fsdp"):
        losses = []
        for jit_compile in (False, True):
            torch.manual_seed(3)
            model = Lump(torch.nn.Sequential(torch.nn.Linear(6, 13), torch.nn.Tanh(), torch.nn.Linear(13, 4)))
            model.conjure(
                "sgd", torch.nn.CrossEntropyLoss(), strategy=strategy, autocast="bfloat16", jit_compile=jit_compile
            )
            losses += model.summon(X, Y, 4, epochs=2, verbose=0).history["loss"]
        print(*losses)
""")


@pytest.mark.slow
def test_compiled_is_the_same_with_whole_weights_and_with_parts(tmp_path: Path) -> None:
    first, second = run_ranks(COMPILED, tmp_path, timeout=400)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    assert "CompileWarning" not in first.errors
    assert first.printed == second.printed
    for line in first.printed.splitlines():
        losses = [float(each) for each in line.split()]
        assert losses[2:] == pytest.approx(losses[:2], rel=1e-4)
