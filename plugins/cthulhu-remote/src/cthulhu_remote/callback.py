"""RemoteMonitor: decide what to send, and when. The modules beside this one deliver it."""

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
    """Streams a training to a server: posts the results of each epoch to ``root + path``.

    It posts a dict of ``epoch``, its index from 0, and the logs of the epoch, as JSON text in a form field or as JSON.
    NaN and infinity, which JSON lacks, become null. ``cthulhu-monitor``, a command of the extra
    ``cthulhu-remote[server]``, is a server that shows the curves. It also gets the beginning and end of the training,
    unlike other servers.

    The server can neither stop nor delay training: a thread sends the events in order and retries at growing intervals.
    At the end of training it has ``flush_timeout`` more seconds. A warning then counts undelivered events, which
    ``spool`` keeps. If an answer is lost, the event is sent again: servers can detect repetitions by ``run``,
    ``sender`` and number in the header ``Cthulhu-Event``. The certificate of the server is verified. ``headers`` are
    never shown in messages, nor sent to another server after a redirect. In distributed training, the main process
    sends.

    Args:
        root: address of the server, e.g. ``"http://localhost:9000"``.
        path: path below ``root`` to which events are sent.
        field: form field for the JSON text. Not used with ``send_as_json``.
        headers: HTTP headers to send, e.g. ``{"Authorization": "Bearer ..."}``.
        send_as_json: whether to send JSON (``application/json``) instead of a form.
        every: ``"batch"`` to send the values of each batch as well (``epoch``, ``batch``, ``size``, ``loss``, ...), or
            a number N to send those of every N-th batch. Servers other than ``cthulhu-monitor`` get one request each.
        name: name of the training in ``cthulhu-monitor``. By default, the name of the script.
        timeout: seconds to wait for a connection and for an answer, or one number for both.
        flush_timeout: seconds that the end of training waits for the last events.
        spool: file that keeps undelivered events. The next training with the same file delivers them first, even if
            this process was killed. Only one training at a time can use it.

    Raises:
        ValueError, TypeError: If an argument is invalid.
        OSError: Before training, if ``spool`` cannot be written or another training is using it.

    Warns:
        UserWarning: Once per training, if the server cannot be reached or rejects an event, with the cause. At the end,
            if events were not delivered. If a value that is neither a number nor text is left out.

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
        # Even a batch hook that does nothing has a cost, so it is set only if needed.
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
        # The position of a resumed run is in its state, which may be loaded later.
        if not self.run.resumed:
            self._begin()

    def _begin(self, position: tuple[int, int] | None = None) -> None:
        """Send the beginning of the training, once."""
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
            cure = "" if self._sender.has_answer or not _is_here(self._url) else ": start a server with cthulhu-monitor"
            warnings.warn(
                f"RemoteMonitor cannot deliver to {self._shown}: {self._sender.cause}; training continues, and waiting "
                f"events are sent when possible{cure}",
                stacklevel=2,
            )

    def _send_batch(self, run: Run, logs: Logs) -> None:
        self._begin()
        self._send("batch", {**logs, "epoch": run.epoch})

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        self._begin()
        # Later callbacks may change the logs and the values in them.
        values, left_out = json_values({"epoch": epoch, **{name: logs[name] for name in logs if name != "epoch"}})
        self._send("epoch", values)
        if left_out and not self._has_left_out:
            self._has_left_out = True
            kinds = ", ".join(f"{name} ({type(logs[name]).__name__})" for name in left_out)
            warnings.warn(f"RemoteMonitor leaves out {kinds}: expected numbers, text, or lists and dicts", stacklevel=2)

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
                "they are lost; spool='unsent.sqlite3' would have kept them"
                if self.spool is None
                else f"they are kept in {self.spool!r}, and the next training with this spool delivers them first"
            )
            cause = outcome.cause or "it has not answered yet"
            lines.append(f"{_counted(outcome.waiting)} were not delivered to {self._shown}: {cause}; {kept}")
        if outcome.unkept:
            lines.append(f"{outcome.unkept} events are lost: {outcome.cause}")
        if outcome.refused:
            lines.append(f"{outcome.refused} events were rejected by {self._shown}: {outcome.cause}")
        if outcome.left_out:
            lines.append(
                f"{outcome.left_out} events were dropped, because they came faster than they could be sent: send fewer "
                "with a larger N in every=N"
            )
        if lines:
            warnings.warn("RemoteMonitor: " + "; ".join(lines), stacklevel=2)

    # --- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the id and the position of the training."""
        if not self._run_id:
            return {}
        epoch, batch = self.run.next_batch
        return {"run": self._run_id, "epoch": epoch, "batch": batch}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue the same training. The server discards the events after this state."""
        if self._sender is None or not state:  # Another process sends, or the state was saved before training.
            return
        self._run_id = state["run"]
        self._begin((state["epoch"], state["batch"]))


def _script() -> str:
    """Return the name of the running script without its suffix."""
    return Path(sys.argv[0] if sys.argv else "").stem or "interactive"


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _counted(waiting: Counter[str]) -> str:
    """Return the counts as text: ``3 epochs and 120 batches``."""
    parts = [f"{waiting[kind]} {name}" for kind, name in (("epoch", "epochs"), ("batch", "batches")) if waiting[kind]]
    return " and ".join(parts) or "beginning and end of training"
