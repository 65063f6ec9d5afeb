"""RemoteMonitor at the real server: what a training tells is what the API says."""

from __future__ import annotations

import warnings

import pytest
from matching_warnings import warned
from servers import closed_port

from cthulhu.callbacks import RemoteMonitor


@pytest.mark.parametrize("as_json", [False, True])
def test_training_is_at_the_server_when_it_has_ended(start, train, as_json):
    monitor = start()
    logs = [{"loss": 0.5, "val_loss": float("nan")}, {"loss": 0.25, "val_loss": 2.0}]
    reporting = RemoteMonitor(monitor.url, send_as_json=as_json, every="batch", name="night")
    train(reporting, logs, batches=[1.0, 0.5], steps=2)
    (summary,) = monitor.get("/api/runs").json()["runs"]
    told = {name: summary[name] for name in ("name", "state", "reason", "epoch", "epochs", "steps", "part")}
    assert told == {
        "name": "night", "state": "finished", "reason": None, "epoch": 1, "epochs": 2, "steps": 2, "part": 1,
    }  # fmt: skip
    assert monitor.values(summary["id"]) == {
        (0, 0): {"size": 1, "loss": 1.0},
        (0, 1): {"size": 1, "loss": 0.5},
        (0, None): {"loss": 0.5, "val_loss": None},
        (1, 0): {"size": 1, "loss": 1.0},
        (1, 1): {"size": 1, "loss": 0.5},
        (1, None): {"loss": 0.25, "val_loss": 2.0},
    }


def test_training_goes_on_reporting_to_a_server_that_was_started_again(start, train, impatient):
    monitor = start()
    again = []

    class Restart(RemoteMonitor):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                monitor.end()
            if epoch == 3:
                again.append(start(f"--port={monitor.port}"))
            super().on_epoch_end(epoch, logs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it is missed is a matter of moments
        train(Restart(monitor.url), [{"loss": float(epoch)} for epoch in range(5)])
    (summary,) = again[0].get("/api/runs").json()["runs"]
    assert summary["state"] == "finished"
    assert again[0].values(summary["id"]) == {(epoch, None): {"loss": float(epoch)} for epoch in range(5)}


def test_one_event_that_is_refused_among_many_costs_no_other(start, train, impatient, tmp_path):
    logs = [{"loss": float(epoch), "text": "x" * (20_000 if epoch == 2 else 2)} for epoch in range(5)]
    spool = tmp_path / "unsent.sqlite3"
    with warned("5 epochs were not delivered"):
        train(RemoteMonitor(f"http://127.0.0.1:{closed_port()}", spool=spool, flush_timeout=0), logs)
    monitor = start()
    with warned("1 events were rejected by .*: it answers 400 Bad Request: the text 'text'"):
        train(RemoteMonitor(monitor.url, spool=spool), [{"loss": 9.0}])
    second, first = monitor.get("/api/runs").json()["runs"]
    assert [epoch for epoch, _ in monitor.values(first["id"])] == [0, 1, 3, 4]
    assert (first["state"], second["state"]) == ("finished", "finished")


def test_token_lets_a_training_in(start, train):
    monitor = start("--token=sesame")
    with pytest.warns(UserWarning, match="2 epochs were not delivered .*: it answers 401 Unauthorized: the token is"):
        train(RemoteMonitor(monitor.url), [{"loss": 1.0}] * 2)
    headers = {"Authorization": "Bearer sesame"}
    train(RemoteMonitor(monitor.url, headers=headers), [{"loss": 1.0}] * 2)
    (summary,) = monitor.get("/api/runs", headers=headers).json()["runs"]
    assert (summary["state"], summary["epoch"]) == ("finished", 1)
