"""The contract bites: each planted fault is caught by the test that is meant for it; what has none passes all."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from cthulhu_core.testing import CallbackContract
from faults import FAULTS
from nested import Reports, run_tests

STANDARD = sorted(name for name in dir(CallbackContract) if name.startswith("test_"))

RESUMED = "test_resumed_run_ends_as_one_never_interrupted"
RESUMED_IN_EPOCH = "test_run_resumed_in_the_midst_of_an_epoch_ends_as_one_never_interrupted"

# What forgets at a round trip forgets in a resumed run, too; evaluate() is a run that does not begin a training.
ALSO_CAUGHT_BY = {
    "ForgetsAll": {RESUMED_IN_EPOCH},
    "ForgetsHalf": {RESUMED, RESUMED_IN_EPOCH},
    "ClosesWhatIsNotOpen": {"test_evaluate_and_predict_take_it"},
}


def contract_of(path: str, folder: Path, *arguments: str) -> Reports:
    """Run the contract of the callback at ``path``."""
    module, _, name = path.rpartition(".")
    declared = getattr(getattr(importlib.import_module(module), name), "declared", {})
    source = [
        "from cthulhu_core.testing import CallbackContract",
        f"from {module} import {name}",
        f"class Test{name}(CallbackContract):",
        *(f"    {attribute} = {value!r}" for attribute, value in declared.items()),
        f"    def make(self): return {name}()",
    ]
    return run_tests(folder / "nested", "\n".join(source), *arguments)


def meant_for(path: str) -> str:
    module, _, name = path.rpartition(".")
    caught_by: str = getattr(importlib.import_module(module), name).caught_by
    return caught_by


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.rpartition(".")[2])
def test_fault_is_caught_by_the_test_meant_for_it(path: str, tmp_path: Path) -> None:
    meant = meant_for(path)
    reports = contract_of(path, tmp_path, "-k", meant)
    assert reports.outcomes[meant] == "failed", reports.outcomes
    message = reports.messages[meant]
    assert message.startswith(path.rpartition(".")[2] + " ")
    assert [line.split()[0] for line in message.splitlines() if line[:3] == "  " + line[2:3].strip()] == [
        "expected",
        "found",
        "cure",
    ]


def test_there_is_a_fault_for_each_standard_test() -> None:
    # The test of overriding has tests of its own; a plain training is part of all others.
    own = {"test_standard_tests_stand_as_they_are", "test_training_by_summon_runs_to_its_end"}
    assert sorted(map(meant_for, FAULTS)) == [name for name in STANDARD if name not in own]


@pytest.mark.parametrize(
    ("name", "not_applicable"),
    [
        ("Faultless", {"test_it_survives_pickling_when_it_says_so"}),
        ("IsNoCallback", {"test_it_survives_pickling_when_it_says_so", "test_training_is_the_same_with_an_observer"}),
    ],
)
def test_callback_without_a_fault_passes_all(name: str, not_applicable: set[str], tmp_path: Path) -> None:
    reports = contract_of(f"faults.faultless.{name}", tmp_path)
    assert reports.failed == [], reports.messages[reports.failed[0]]
    assert sorted(reports.outcomes) == STANDARD
    assert {name for name, outcome in reports.outcomes.items() if outcome == "skipped"} == not_applicable


@pytest.mark.slow
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.rpartition(".")[2])
def test_fault_is_caught_by_no_other_test(path: str, tmp_path: Path) -> None:
    name = path.rpartition(".")[2]
    failed = set(contract_of(path, tmp_path).failed)
    if name == "IsMisspelt":  # it cannot take part in any run
        assert {meant_for(path), "test_training_by_summon_runs_to_its_end"} <= failed
    else:
        assert failed == {meant_for(path), *ALSO_CAUGHT_BY.get(name, ())}
