"""How a run ends: everyone is called once more, whatever happened, and nothing stays open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cthulhu_core.run.call_context import logger

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


def finish(run: Run, error: BaseException | None) -> None:
    """End ``run``: call ``exception`` if it failed, ``train_end`` if it began, and ``teardown``.

    All participants are called, even if some of them raise.

    Args:
        run: the run.
        error: what ended it; None if nothing did.

    Raises:
        BaseException: the first exception of a participant if ``error`` is None; all others are logged.
    """
    run.is_ending = True
    # Before the hooks: other processes wait for this one, and a callback may take long to close its files.
    run._together.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
    run._forget_open()
    failures = list(_last_hooks(run, error))
    run._costs.end()
    run._dispatch.report()
    _print_costs(run)
    run._release()
    raised = failures.pop(0) if error is None and failures else None
    for failure in failures:
        logger.error("while the run was ending: %s", failure, exc_info=failure)
    if raised is not None:
        raise raised


def _last_hooks(run: Run, error: BaseException | None) -> Iterator[BaseException]:
    """Call the hooks of the end, and yield what participants raise there."""
    hooks = run._hooks
    if error is not None:
        yield from hooks.call_guarded("exception", run, error)
    if run.is_training:
        failures = hooks.call_guarded("train_end", run, run.finished_logs)
        yield from failures
        if error is None and failures:
            yield from hooks.call_guarded("exception", run, failures[0])
    yield from hooks.call_guarded("teardown", run)


def _print_costs(run: Run) -> None:
    line = run._costs.line() if run.is_training and run.params["verbose"] and run.is_main else ""
    if line:
        print(f"Callbacks took time: {line}. All of it: history.run.costs()")  # noqa: T201 - where the progress was
