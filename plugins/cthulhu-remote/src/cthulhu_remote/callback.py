"""RemoteMonitor, the callback: what is told, and when. How it gets to the server is said in the modules beside it."""

from __future__ import annotations

import os
import sys
import uuid
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any, Literal
from urllib.parse import urlsplit

from cthulhu_core import Callback, Logs, Run
from cthulhu_remote import arguments
from cthulhu_remote.batches import EveryBatch, EveryNth
from cthulhu_remote.connection import Connection
from cthulhu_remote.events import Event, Kind, json_values
from cthulhu_remote.queue import Spool
from cthulhu_remote.sender import Outcome, Sender


class RemoteMonitor(Callback):
    """Streams a training to a server: the results of each epoch are posted to ``root + path``.

    What is posted is a dict: ``epoch``, its index from 0, and the logs of the epoch, as JSON text in a field of a form,
    or as JSON. NaN and infinity, which JSON does not have, are null. ``cthulhu-monitor``, the command that the extra
    ``cthulhu-remote[server]`` brings, is a server that shows the curves; it is told of the begin and end of the
    training, too, and any other server is not.

    Nothing that happens to the server ends training or delays it: a thread sends, in order, and tries again with
    growing pauses. At the end of training it is given ``flush_timeout`` seconds more; what is not delivered then is
    counted in a warning, and kept in ``spool`` if there is one. An answer that gets lost makes the event come again: a
    server that must not take it twice remembers ``run``, ``sender`` and number from the header ``Cthulhu-Event``. The
    certificate of a server is checked. ``headers`` are shown in no message, and are not sent along where the server
    redirects to another one. In distributed training, the main process sends.

    Args:
        root: the address of the server, e.g. ``"http://localhost:9000"``.
        path: the path below ``root`` to which events are sent.
        field: the field of the form that has the JSON text; without a form it is not used.
        headers: HTTP headers to be sent, e.g. ``{"Authorization": "Bearer ..."}``.
        send_as_json: send JSON (``application/json``) rather than a form.
        every: ``"batch"`` to send the values of each batch as well (``epoch``, ``batch``, ``size``, ``loss``, ...);
            a number to send those of every so manieth one. To a server that is no ``cthulhu-monitor`` each is a
            request of its own.
        name: what ``cthulhu-monitor`` calls the training; by default, the name of the script.
        timeout: seconds for connecting and for an answer, or one number for both.
        flush_timeout: seconds that the end of training waits for the last events.
        spool: a file in which events wait that are not delivered. The next training with the same file delivers them
            first, also where this process was killed. One training at a time can use it.

    Raises:
        ValueError, TypeError: an argument cannot be used; the message says why and what to do.
        OSError: before training: ``spool`` cannot be written, or another training is using it.

    Warns:
        UserWarning: the server cannot be reached, or has refused an event: once a training, with the cause; and at its
            end, how much was not delivered. A value that is neither number nor text is left out.

    Example:
        >>> model.summon(X_train, Y_train, callbacks=[RemoteMonitor()])
    """

    on_error = "disable"
    ranks = "main"
    logged = ()

    cthulhu_batch_end: Any

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
        *,
        every: int | Literal["batch"] | None = None,
        name: str | None = None,
        timeout: float | tuple[float, float] = (3.05, 10.0),
        flush_timeout: float = 5.0,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        self._url = arguments.url(root, path)
        self.root = root
        self.path = path
        self.field = arguments.field(field)
        self.headers = arguments.headers(headers)
        self.send_as_json = arguments.flag(send_as_json)
        self.every = arguments.every(every)
        self.name = arguments.run_name(name)
        self.timeout = arguments.timeout(timeout)
        self.flush_timeout = arguments.seconds("flush_timeout", flush_timeout)
        self.spool = arguments.spool(spool)
        self._sender: Sender | None = None
        self._run_id = self._sender_id = ""
        self._number = 0
        self._has_begun = self._has_warned = self._has_left_out = False
        self._end: dict[str, str | None] = {}
        # A hook of a batch costs something even if it does nothing: it is there only where it is needed.
        if self.every == "batch":
            self.cthulhu_batch_end = EveryBatch(self._send_batch).cthulhu_batch_end
        elif self.every is not None:
            self.cthulhu_batch_end = EveryNth(self.every, self._send_batch).cthulhu_batch_end

    # --- the run --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs, /) -> None:
        connection = Connection(self._url, self.field, self.headers, self.send_as_json, self.timeout)
        self._sender = Sender(connection, None if self.spool is None else Spool(self.spool))
        self._run_id = self._sender_id = uuid.uuid4().hex
        self._number = 0
        self._has_begun = self._has_warned = self._has_left_out = False
        self._end = {}

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        # A resumed run begins where its state says, which may be loaded after this.
        if not self.run.resumed:
            self._begin()

    def _begin(self, position: tuple[int, int] | None = None) -> None:
        """Tell of the training and where it begins, once."""
        if self._has_begun:
            return
        self._has_begun = True
        epoch, batch = self.run.next_batch if position is None else position
        plan = {
            "name": self.name or _script(),
            "epochs": self.run.params["epochs"],
            "initial_epoch": self.run.initial_epoch,
            "steps": self.run.params["steps"],
            "epoch": epoch,
            "batch": batch,
        }
        self._send("begin", {"begin": plan})

    def _send(self, kind: Kind, payload: Mapping[str, Any]) -> None:
        assert self._sender is not None
        self._number += 1
        self._sender.put(Event(kind, self._run_id, self._sender_id, self._number, time(), payload))
        if not self._has_warned and self._sender.cause:
            self._has_warned = True
            cure = "" if self._sender.has_answer or not _is_here(self._url) else ": cthulhu-monitor is a server for it"
            warnings.warn(
                f"RemoteMonitor cannot deliver to {self._shown}: {self._sender.cause}; training goes on, and what "
                f"waits is sent when it can be{cure}",
                stacklevel=2,
            )

    def _send_batch(self, run: Run, logs: Logs) -> None:
        self._begin()
        self._send("batch", {**logs, "epoch": run.epoch})

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        self._begin()
        # Later callbacks may change the logs, and whatever is in them.
        values, left_out = json_values({"epoch": epoch, **{name: logs[name] for name in logs if name != "epoch"}})
        self._send("epoch", values)
        if left_out and not self._has_left_out:
            self._has_left_out = True
            kinds = ", ".join(f"{name} ({type(logs[name]).__name__})" for name in left_out)
            warnings.warn(f"RemoteMonitor leaves out {kinds}: neither numbers nor text, nor made of them", stacklevel=2)

    def on_exception(self, error: BaseException, /) -> None:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self._end = {"state": state, "reason": type(error).__name__}

    def on_train_end(self, logs: Logs, /) -> None:
        assert self._sender is not None
        self._begin()
        is_whole = self.run.next_batch[0] >= self.run.params["epochs"]
        self._send("end", {"end": self._end or {"state": "finished" if is_whole else "stopped", "reason": None}})
        self._sender.flush(self.flush_timeout)
        self._report(self._close())

    def on_teardown(self) -> None:
        self._close()

    def _close(self) -> Outcome | None:
        sender, self._sender = self._sender, None
        return None if sender is None else sender.close()

    @property
    def _shown(self) -> str:
        return arguments.without_password(self._url)

    def _report(self, outcome: Outcome | None) -> None:
        """Say what was not delivered."""
        if outcome is None:
            return
        lines = []
        if outcome.waiting:
            kept = (
                "they are gone; spool='unsent.sqlite3' would have kept them"
                if self.spool is None
                else f"they are kept in {self.spool!r}, and the next training with this spool delivers them first"
            )
            cause = outcome.cause or "it has not answered yet"
            lines.append(f"{_counted(outcome.waiting)} were not delivered to {self._shown}: {cause}; {kept}")
        if outcome.unkept:
            lines.append(f"{outcome.unkept} events are gone: {outcome.cause}")
        if outcome.refused:
            lines.append(f"{outcome.refused} events were refused by {self._shown}: {outcome.cause}")
        if outcome.left_out:
            lines.append(
                f"{outcome.left_out} events were left out, since more came than could be sent: every=N, with a larger "
                "N, sends fewer"
            )
        if lines:
            warnings.warn("RemoteMonitor: " + "; ".join(lines), stacklevel=2)

    # --- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Which training this is, and where it is."""
        if not self._run_id:
            return {}
        epoch, batch = self.run.next_batch
        return {"run": self._run_id, "epoch": epoch, "batch": batch}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on with the same training: the server forgets what it was told after the state was taken."""
        if self._sender is None or not state:  # another process sends, or the state is none of a training
            return
        self._run_id = state["run"]
        self._begin((state["epoch"], state["batch"]))


def _script() -> str:
    """The name of the script that runs, without its suffix."""
    return Path(sys.argv[0] if sys.argv else "").stem or "interactive"


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _counted(waiting: Counter[str]) -> str:
    """How many there are, as ``3 epochs and 120 batches``."""
    parts = [f"{waiting[kind]} {name}" for kind, name in (("epoch", "epochs"), ("batch", "batches")) if waiting[kind]]
    return " and ".join(parts) or "begin and end of training"
