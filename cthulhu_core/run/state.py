"""The state of a run as plain data and tensors: everything but the model and its optimizer."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.installed.participant import Participant
from cthulhu_core.installed.registry import package_of
from cthulhu_core.run.random_state import random_state

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


def run_state(run: Run) -> dict[str, Any]:
    """Return everything that ``run`` needs to continue, as plain data and tensors, which are not copies."""
    epoch, batch = run.next_batch
    callbacks = [record | {"state": _state(participant)} for participant, record in records(run)]
    return {
        "epoch": epoch,
        "batch": batch,
        "step": run.step,
        "settled": run.is_settled,
        "stopped": bool(run.model.stop_training),
        "logs": run.finished_logs,
        "params": {name: run.params[name] for name in ("batch_size", "steps", "samples")},
        "ranks": world_size(),
        "callbacks": callbacks,
        "metrics": {name: _metric_state(metric) for name, metric in run.metric_objects.items()} if batch else {},
        "kept": {name: stateful.state_dict() for name, stateful in run.kept.items()},
        "data": run.data_state(),
        "random": random_state(),
        "manifest": run.manifest(),
    }


def records(run: Run) -> Iterator[tuple[Participant, dict[str, Any]]]:
    """Yield the participants with what identifies them: package, version, name, and number among equal ones."""
    seen: Counter[tuple[str, str]] = Counter()
    given = run.given
    for participant in run.participants:
        package, version = package_of(participant.module)
        number = seen[package, participant.name]
        seen[package, participant.name] += 1
        yield (
            participant,
            {
                "package": package,
                "version": version,
                "name": participant.name,
                "number": number,
                "given": any(participant.plugin is each for each in given),
            },
        )


def key_of(record: dict[str, Any]) -> tuple[str, str, int]:
    """Return what identifies a participant in another run: package, name, and number among equals."""
    return record["package"], record["name"], record["number"]


def _state(participant: Participant) -> dict[str, Any]:
    """Return the state of a participant; plugins that are not callbacks may have a ``state_dict``, too."""
    ask: Any = getattr(participant.plugin, "state_dict", dict)
    state: dict[str, Any] = ask()
    return state


def _metric_state(metric: Any) -> Any:
    """Return the state of a stateful metric; None if it has no ``state_dict``."""
    if not hasattr(metric, "state_dict"):
        return None
    if hasattr(metric, "persistent"):  # torchmetrics saves its values only if they are persistent
        metric = copy.deepcopy(metric)
        metric.persistent(True)
    return metric.state_dict()
