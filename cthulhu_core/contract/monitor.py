"""The best value of a monitored quantity, and the direction in which it improves."""

from __future__ import annotations

import difflib
import math
import re
import warnings
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from cthulhu_core.contract.hookspecs import Logs
    from cthulhu_core.contract.types import Run

# Words in the name of a quantity that mean higher is better. Names are split at punctuation and capitals.
_MAXIMISED = frozenset(
    {
        *("acc", "accuracy", "auc", "auroc", "f1", "fbeta", "fmeasure", "precision", "recall", "sensitivity"),
        *("specificity", "iou", "jaccard", "dice", "r2", "bleu", "rouge", "map", "ndcg", "mcc", "kappa", "psnr"),
        *("ssim", "similarity"),
    }
)
# Words that mean lower is better, whatever else the name contains: dice_loss.
_MINIMISED = frozenset({"loss", "error", "err"})


class MonitorWarning(UserWarning):
    """The monitored quantity is not in the logs."""


class Monitor:
    """The best value so far of a monitored quantity.

    ``mode="auto"`` takes the direction that the metric states (``higher_is_better`` of a ``torchmetrics`` object), else
    the one that its name implies: accuracies, AUC, F-scores, precision, recall, IoU, Dice, R², BLEU and the like are
    maximised, everything else is minimised.

    Args:
        monitor: name of the quantity in the logs of an epoch, e.g. ``"val_loss"``.
        mode: ``"auto"``, ``"min"`` or ``"max"``.
        min_delta: the least improvement that counts, in units of the quantity; its sign is ignored.
        baseline: the first best value; by default the worst possible one, so that the first number is an improvement.

    Attributes:
        best: the best value so far; ±inf or ``baseline`` before the first.

    Raises:
        ValueError: ``mode`` is not one of the three, ``min_delta`` is not finite, or ``baseline`` is NaN.

    Example:
        >>> monitor = Monitor("val_acc", min_delta=0.01)
        >>> monitor.direction
        'max'
        >>> monitor.update(0.5), monitor.update(0.505), monitor.update(0.52)
        (True, False, True)
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["auto", "min", "max"] = "auto",
        min_delta: float = 0.0,
        baseline: float | None = None,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is {mode!r}: expected 'auto', 'min' or 'max'")
        if not math.isfinite(min_delta):
            raise ValueError(f"min_delta is {min_delta!r}: expected a finite number, e.g. 0.001")
        if baseline is not None and math.isnan(baseline):
            raise ValueError(f"baseline is {baseline!r}: expected a number that {monitor} has to beat, or None")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.baseline = baseline
        self.direction: Literal["min", "max"] = _direction_of(monitor) if mode == "auto" else mode
        self.reset()

    def reset(self) -> None:
        """Reset for another training."""
        self.best = self._worst if self.baseline is None else float(self.baseline)
        self._warned = False

    def begin(self, run: Run) -> None:
        """Reset for a training, with the direction that the metric in ``run`` states."""
        if self.mode == "auto":
            stated = run.directions.get(self.monitor.removeprefix("val_"))
            self.direction = stated if stated in ("min", "max") else _direction_of(self.monitor)  # type: ignore[assignment]
        self.reset()

    @property
    def _worst(self) -> float:
        return math.inf if self.direction == "min" else -math.inf

    def read(self, logs: Logs, run: Run | None = None) -> float | None:
        """Return the monitored value in ``logs``; None, and one warning a training, if there is none.

        An epoch of ``run`` that was not validated, although validation is planned, is no reason for a warning.

        Raises:
            TypeError: the logged value is not a number.
        """
        if self.monitor in logs:
            return _number(self.monitor, logs[self.monitor])
        skipped = (
            run is not None and self.monitor.startswith("val_") and run.params["do_validation"] and not run.validated
        )
        if not skipped and not self._warned:
            self._warned = True
            warnings.warn(self._missing(logs), MonitorWarning, stacklevel=3)
        return None

    def _missing(self, logs: Logs) -> str:
        message = f"{self.monitor!r} is monitored but not logged; logged are {', '.join(logs) or 'no values'}"
        close = difflib.get_close_matches(self.monitor, logs, n=3, cutoff=0.5)
        # Of an abbreviation and the word, prefer the one that is logged.
        close.sort(key=lambda name: not _same_words(name, self.monitor))
        if close:
            return f"{message}: did you mean {' or '.join(close)}?"
        if self.monitor.startswith("val_"):
            return f"{message}: pass validation_data or validation_split to have val_ values"
        return message

    def is_better(self, value: float, than: float | None = None) -> bool:
        """Return whether ``value`` beats ``than`` (by default the best) by more than ``min_delta``; NaN never does."""
        than = self.best if than is None else than
        return value - self.min_delta > than if self.direction == "max" else value + self.min_delta < than

    def update(self, value: float) -> bool:
        """Return whether ``value`` is an improvement, and make it the best if so."""
        if self.is_better(value):
            self.best = value
            return True
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return monitor, best value and direction."""
        return {"monitor": self.monitor, "best": self.best, "direction": self.direction}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned.

        Raises:
            ValueError: the state belongs to another quantity, whose best value means nothing here.
        """
        if state["monitor"] != self.monitor:
            raise ValueError(
                f"the state is that of {state['monitor']!r}, but {self.monitor!r} is monitored: "
                f"resume with monitor={state['monitor']!r}"
            )
        self.best, self.direction = state["best"], state["direction"]


def _direction_of(name: str) -> Literal["min", "max"]:
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", name)}
    words |= {word.rstrip("0123456789") for word in words}
    return "max" if words & _MAXIMISED and not words & _MINIMISED else "min"


def _same_words(a: str, b: str) -> bool:
    return a.replace("accuracy", "acc") == b.replace("accuracy", "acc")


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name!r} is monitored, but its logged value is not a number: {value!r}") from None
