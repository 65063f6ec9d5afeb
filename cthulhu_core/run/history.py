"""The callback that records what each epoch logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.hookspecs import Logs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(Callback):
    """Records what each epoch logged. Every run has one: ``summon`` returns it, and ``model.history`` holds it.

    Attributes:
        history: the values of each name in the logs, one for each epoch that had it.
        epoch: the indices (from 0) of the epochs that have ended.
        params: the arguments of ``summon``.
        manifest: the participants with packages, versions and arguments (see :meth:`cthulhu_core.Run.manifest`).

    Example:
        >>> history = model.summon(x, y, epochs=2, verbose=0)
        >>> history.epoch
        [0, 1]
        >>> len(history.history["loss"])
        2
    """

    logged = ()

    def __init__(self) -> None:
        self.manifest: dict[str, Any] = {}
        self._start()

    def _start(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}
        self._epochs: dict[str, list[int]] = {}

    def on_train_begin(self, logs: Logs, /) -> None:
        self._start()
        self.manifest = self.run.manifest()

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return everything recorded so far."""
        return {"epoch": self.epoch, "history": self.history, "epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.epoch = list(state["epoch"])
        self.history = {name: list(values) for name, values in state["history"].items()}
        self._epochs = {name: list(epochs) for name, epochs in state["epochs"].items()}

    def epochs_of(self, name: str) -> list[int]:
        """Return the epochs (from 0) to which the values of ``history[name]`` belong, in order.

        Raises:
            KeyError: nothing was logged under ``name``; the message lists the logged names.
        """
        if name not in self._epochs:
            raise KeyError(f"no {name!r} in this history; it has {sorted(self._epochs)}")
        return list(self._epochs[name])

    def plot(self, filename: str | None = None) -> Figure:
        """Plot each quantity over the epochs, with training and validation in one chart.

        Args:
            filename: the file to save the figure to, e.g. ``"curves.png"``; not saved if None.

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: no epoch was recorded.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError("History.plot() draws with matplotlib: pip install matplotlib") from None
        # Only numbers can be plotted; a callback may have logged anything.
        drawable = [name for name, values in self.history.items() if all(isinstance(v, (int, float)) for v in values)]
        charts = list(dict.fromkeys(name.removeprefix("val_") for name in drawable))
        if not charts:
            raise ValueError("this history has no epochs to draw: train first, with model.summon(...)")
        figure = Figure(figsize=(5 * len(charts), 4), layout="constrained")
        for axes, chart in zip(figure.subplots(1, len(charts), squeeze=False)[0], charts, strict=True):
            for name, label in ((chart, "training"), ("val_" + chart, "validation")):
                if name in drawable:
                    epochs = [epoch + 1 for epoch in self._epochs[name]]
                    axes.plot(epochs, self.history[name], label=label, marker="." if len(epochs) < 50 else None)
            axes.set(title=chart, xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        if filename is not None:
            figure.savefig(filename, dpi=150)
        return figure

    def __getstate__(self) -> dict[str, Any]:
        # The records can be pickled; the model and the run cannot, or should not.
        return {name: value for name, value in vars(self).items() if name not in ("model", "run")}
