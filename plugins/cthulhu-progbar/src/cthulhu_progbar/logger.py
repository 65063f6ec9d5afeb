"""ProgbarLogger: count, and decide when to draw. displays.py draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, Literal

from cthulhu_core import Callback, Logs, Run, hookimpl
from cthulhu_progbar.displays import Display, choose
from cthulhu_progbar.text import Progress, value_texts

INTERVAL = 0.05
"""Minimum number of seconds between two drawings."""

SHARE = 0.005
"""Maximum fraction of the time spent on drawing: slow terminals and costly metrics are drawn less often."""

NEVER = float("inf")


class ProgbarLogger(Callback):
    """Prints the progress and the metrics of training to stdout. Every run with ``verbose=1`` or ``2`` has one.

    With ``verbose=1``, tqdm draws a bar with the averages so far on a terminal or in a notebook. After the epoch, the
    line shows its logs, including ``val_*`` and the values that other callbacks added. A file or a pipe gets at most
    four lines per epoch. ``verbose=2`` prints one line per epoch, ``verbose=0`` prints nothing. ``evaluate`` and
    ``predict`` are shown in the same way.

    Values are read from the device only to be drawn: at most every 50 ms, and less often if drawing is slow. Validation
    shows how many of its batches are done. The line is completed no matter how training ends. Print errors never stop
    training. In distributed training, the main process prints.

    Args:
        count_mode: whether the bar counts ``"samples"`` or ``"steps"``, which are batches. If the number of samples is
            unknown, it counts steps.
        stateful_metrics: names of metrics whose last value is shown instead of the average over the epoch. Metrics that
            the run declares stateful need not be listed.

    Raises:
        ValueError: If ``count_mode`` is neither of the two.

    Example:
        >>> model.summon(X_train, Y_train, callbacks=[ProgbarLogger(count_mode="steps")])
    """

    on_error = "disable"
    ranks = "main"
    logged = ()

    def __init__(
        self, count_mode: Literal["samples", "steps"] = "samples", stateful_metrics: Iterable[str] | None = None
    ) -> None:
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"ProgbarLogger(count_mode={count_mode!r}): expected 'samples' or 'steps'")
        self.count_mode = count_mode
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self._display: Display | None = None
        self._training = False
        self._label: str | None = None
        self._by_samples = False
        self._total: int | None = None
        self._count = self._validated = 0
        self._to_validate: int | None = None
        self._begun, self._due = 0.0, NEVER

    def state_dict(self) -> dict[str, Any]:
        """Return how much of the epoch is done, for a run that resumes in the middle of it."""
        return {"count": self._count}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self._count = state["count"]

    # --- training -------------------------------------------------------------------------------------------------

    @hookimpl
    def cthulhu_train_begin(self) -> None:
        self._training = True

    # Last, so that the output of other callbacks appears above the line.
    @hookimpl(trylast=True)
    def cthulhu_epoch_begin(self, run: Run, epoch: int) -> None:
        self._begin(run, f"Epoch {epoch + 1}/{run.params['epochs']}")

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        self._count += run.current.size if self._by_samples else 1
        now = perf_counter()
        if now >= self._due:
            self._draw(run, now)

    @hookimpl(specname="cthulhu_epoch_end")
    def make_room(self) -> None:
        """Clear the line for the output of other callbacks at the end of the epoch."""
        if self._display is not None:
            self._display.clear()

    # Last, so that the logs are complete.
    @hookimpl(trylast=True)
    def cthulhu_epoch_end(self, run: Run, logs: Logs) -> None:
        self._end(logs, stopped=run.model.stop_training)

    @hookimpl
    def cthulhu_train_end(self, run: Run) -> None:
        self._end_early(run)

    @hookimpl
    def cthulhu_teardown(self, run: Run) -> None:
        self._end_early(run)
        self._training, self._display, self._due = False, None, NEVER

    # --- validation, evaluate and predict -----------------------------------------------------------------------------

    @hookimpl
    def cthulhu_test_begin(self, run: Run) -> None:
        self._validated, self._to_validate = 0, run.test_steps
        if not self._training:
            self._begin(run, "Evaluate")

    @hookimpl
    def cthulhu_test_batch_end(self, run: Run) -> None:
        if not self._training:
            self.cthulhu_batch_end(run)
            return
        self._validated += 1
        now = perf_counter()
        if now >= self._due:
            self._draw(run, now)

    @hookimpl(trylast=True)
    def cthulhu_test_end(self, logs: Logs) -> None:
        if not self._training:
            self._end(logs)

    @hookimpl
    def cthulhu_predict_begin(self, run: Run) -> None:
        self._begin(run, "Predict")

    @hookimpl
    def cthulhu_predict_batch_end(self, run: Run) -> None:
        self.cthulhu_batch_end(run)

    @hookimpl(trylast=True)
    def cthulhu_predict_end(self) -> None:
        self._end({})

    # --- one line -----------------------------------------------------------------------------------------------------

    def _begin(self, run: Run, label: str) -> None:
        self._end_early(run)
        if self._display is None:
            self._display = choose(run.params["verbose"]) if run.params["verbose"] else None
            self._due = 0.0 if self._display is not None and self._display.running else NEVER
        self._by_samples, self._total = _length(run, self.count_mode)
        self._label, self._count, self._validated = label, 0, 0
        self._begun = now = perf_counter()
        if now >= self._due:
            self._draw(run, now)

    def _draw(self, run: Run, now: float) -> None:
        assert self._display is not None
        if self._display.wants(self._progress(now, {})):
            self._display.show(self._progress(now, self._values(run)))
        self._due = now + max(INTERVAL, (perf_counter() - now) / SHARE)

    def _progress(self, now: float, values: Mapping[str, Any]) -> Progress:
        assert self._label is not None
        texts, seconds = value_texts(values), now - self._begun
        if self._validated:
            return Progress(f"{self._label} validating", self._validated, self._to_validate, seconds, texts)
        return Progress(self._label, self._count, self._total, seconds, texts)

    def _end(self, values: Mapping[str, Any], stopped: bool = False) -> None:
        self._validated = 0
        if self._display is not None and self._label is not None:
            progress, self._label = self._progress(perf_counter(), values), None
            # The true total is known only now: some loaders drop the last batch.
            self._display.end(progress if stopped else progress._replace(total=self._count))

    def _end_early(self, run: Run) -> None:
        """Complete the line of an interrupted epoch or test."""
        if self._label is not None:
            self.make_room()
            self._end(self._values(run), stopped=True)

    def _values(self, run: Run) -> Logs:
        """Return the values so far, read from the device."""
        values, batch = run.averages(), run.batch
        last = [name for name in self.stateful_metrics if batch is not None and name in batch.values]
        return {**values, **{name: run.current.number(name) for name in last}}


def _length(run: Run, count_mode: str) -> tuple[bool, int | None]:
    """Return whether to count samples, and the number of samples or steps to come."""
    samples, steps, batch_size = run.params["samples"], run.params["steps"], run.params["batch_size"]
    if count_mode == "steps" or samples is None:
        return False, steps
    # An epoch may have fewer steps than the data.
    return True, min(samples, steps * batch_size) if steps and batch_size else samples
