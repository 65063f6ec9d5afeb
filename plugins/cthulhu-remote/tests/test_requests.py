"""What is posted: the documented requests, and nothing else to a server that is no monitor."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from matching_warnings import warned
from servers import Server

from cthulhu.callbacks import Callback, RemoteMonitor
from cthulhu_core import Run

LOGS = [{"loss": 0.5, "val_loss": 0.25}, {"loss": 0.125, "val_loss": 1.0}]


def test_default_is_a_form_whose_field_data_has_the_epoch_and_its_logs_as_json(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url), LOGS)
    assert [request.path for request in server.taken] == ["/publish/epoch/end/"] * 2
    assert {request.headers["Content-Type"] for request in server.taken} == {"application/x-www-form-urlencoded"}
    forms = [parse_qs(request.text, strict_parsing=True) for request in server.taken]
    assert [set(form) for form in forms] == [{"data"}] * 2
    assert [json.loads(form["data"][0]) for form in forms] == [{"epoch": 0, **LOGS[0]}, {"epoch": 1, **LOGS[1]}]


def test_json_is_the_same_without_a_form(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url, "collect", send_as_json=True), LOGS)
    assert [(request.path, request.headers["Content-Type"]) for request in server.taken] == [
        ("/collect", "application/json")
    ] * 2
    assert [json.loads(request.text) for request in server.taken] == [{"epoch": 0, **LOGS[0]}, {"epoch": 1, **LOGS[1]}]


def test_field_and_headers_are_the_users(train, start):
    server = start(Server(form_field="event"))
    train(RemoteMonitor(server.url, field="event", headers={"X-Team": "deep", "User-Agent": "ours"}), LOGS[:1])
    (request,) = server.taken
    assert (request.headers["X-Team"], request.headers["User-Agent"]) == ("deep", "ours")
    assert server.payloads == [{"epoch": 0, **LOGS[0]}]


def test_password_in_the_environments_netrc_does_not_replace_the_users_own(train, start, tmp_path, monkeypatch):
    server = start(Server())
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    train(RemoteMonitor(server.url, headers={"authorization": "Bearer mine"}), LOGS[:1])
    assert server.taken[0].headers["authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    ("root", "path"), [("{}/a/", "/b"), ("{}/a", "b"), ("{}/a/b", ""), ("{}", "a/b"), ("{}/", "//a/b")]
)
def test_root_and_path_meet_in_one_slash(train, start, root, path):
    server = start(Server())
    train(RemoteMonitor(root.format(server.url), path), LOGS[:1])
    assert [request.path for request in server.taken] == ["/a/b"]


def test_values_become_what_every_json_reader_understands(train, start):
    server = start(Server())
    logs = {
        "nan": float("nan"), "inf": float("inf"), "minus": -np.inf, "numpy": np.float32(0.5), "array": np.arange(3),
        "tensor": torch.tensor(2.5), "tensors": torch.tensor([[1.0, torch.nan]]), "half": torch.tensor(0.5).bfloat16(),
        "integer": np.int64(7), "flag": np.bool_(True), "none": None, "text": "\u00e4\U0001f600",
        "nested": {1: (1, np.nan)}, "parameter": torch.nn.Parameter(torch.tensor(1.5)), "large": 2**70,
    }  # fmt: skip
    train(RemoteMonitor(server.url), [logs])
    assert server.payloads == [
        {
            "epoch": 0, "nan": None, "inf": None, "minus": None, "numpy": 0.5, "array": [0, 1, 2], "tensor": 2.5,
            "tensors": [[1.0, None]], "half": 0.5, "integer": 7, "flag": True, "none": None, "text": "\u00e4\U0001f600",
            "nested": {"1": [1, None]}, "parameter": 1.5, "large": 2**70,
        }
    ]  # fmt: skip
    assert "NaN" not in server.taken[0].text


def test_what_is_no_value_is_left_out_with_one_warning(train, start):
    server = start(Server())
    endless: list = []
    endless.append(endless)
    logs = {"loss": 0.5, "model": SimpleNamespace(), "endless": endless, "raw": b"x"}
    with warned("RemoteMonitor leaves out") as messages:
        train(RemoteMonitor(server.url), [logs, logs])
    (message,) = messages
    assert message == (
        "RemoteMonitor leaves out model (SimpleNamespace), endless (list), raw (bytes): expected numbers, text, or "
        "lists and dicts"
    )
    assert server.payloads == [{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.5}]


def test_what_a_later_callback_does_to_a_value_is_not_told(train, start):
    server = start(Server(delay=0.2))
    values = np.zeros(2)

    class Later(Callback):
        def on_epoch_end(self, epoch, logs):
            values[:] = 9
            logs["later"] = 1.0

    train([RemoteMonitor(server.url), Later()], [{"values": values}])
    assert server.payloads == [{"epoch": 0, "values": [0, 0]}]


def test_epoch_is_the_index_whatever_the_logs_say(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url), [{"epoch": 99, "loss": 1.0}], initial_epoch=4)
    assert server.payloads == [{"epoch": 4, "loss": 1.0}]


def test_other_servers_are_asked_once_and_never_told_of_begin_and_end(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url), LOGS)
    assert server.asked == ["OPTIONS"]
    assert len(server.taken) == 2


def test_monitor_is_told_of_begin_and_end(train, start):
    server = start(Server(is_monitor=True))
    train(RemoteMonitor(server.url, name="night"), LOGS, initial_epoch=2, steps=7)
    assert server.payloads == [
        {"begin": {"name": "night", "epochs": 4, "initial_epoch": 2, "steps": 7, "epoch": 2, "batch": 0}},
        {"epoch": 2, **LOGS[0]},
        {"epoch": 3, **LOGS[1]},
        {"end": {"state": "finished", "reason": None}},
    ]
    events = [json.loads(request.headers["Cthulhu-Event"]) for request in server.taken]
    assert len({event["run"] for event in events}) == len({event["sender"] for event in events}) == 1
    numbers, times = zip(*(pair for event in events for pair in event["events"]), strict=True)
    assert list(numbers) == [1, 2, 3, 4]
    assert list(times) == sorted(times)


def test_one_object_in_two_trainings_is_two_runs(train, start):
    server = start(Server(is_monitor=True))
    monitor = RemoteMonitor(server.url)
    train(monitor, LOGS)
    train(monitor, LOGS[:1])
    assert server.epochs == [0, 1, 0]
    assert len({json.loads(request.headers["Cthulhu-Event"])["run"] for request in server.taken}) == 2


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ValueError("secret"), {"state": "failed", "reason": "ValueError"}),
        (KeyboardInterrupt(), {"state": "interrupted", "reason": "KeyboardInterrupt"}),
        (None, {"state": "stopped", "reason": None}),
    ],
    ids=["failed", "interrupted", "stopped"],
)
def test_end_says_how_it_came(start, error, end):
    server = start(Server(is_monitor=True))
    run = Run(SimpleNamespace(), epochs=3, callbacks=RemoteMonitor(server.url))
    with pytest.raises(type(error)) if error is not None else nullcontext(), run:
        for _ in run.epochs():
            if error is not None:
                raise error
            run.stop()
    assert server.payloads[-1] == {"end": end}


def test_training_without_an_epoch_has_begun_and_ended(train, start):
    server = start(Server(is_monitor=True))
    train(RemoteMonitor(server.url), [], initial_epoch=2)
    assert [set(payload) for payload in server.payloads] == [{"begin"}, {"end"}]


def test_all_events_go_over_one_connection(train, start):
    server = start(Server(reason="a body that has to be read"))
    train(RemoteMonitor(server.url, every=2), LOGS * 3, batches=[1.0] * 4)
    assert len(server.taken) == 6 + 12
    assert server.connections == 1


# --- batches --------------------------------------------------------------------------------------------------------


def test_values_of_each_batch_come_before_those_of_the_epoch(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url, every="batch"), [{}, {}], batches=[0.5, 0.25])
    assert server.payloads == [
        {"epoch": 0, "batch": 0, "size": 1, "loss": 0.5},
        {"epoch": 0, "batch": 1, "size": 1, "loss": 0.25},
        {"epoch": 0, "loss": 0.375},
        {"epoch": 1, "batch": 0, "size": 1, "loss": 0.5},
        {"epoch": 1, "batch": 1, "size": 1, "loss": 0.25},
        {"epoch": 1, "loss": 0.375},
    ]


def test_every_third_batch_is_counted_over_epochs(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url, every=3), [{}, {}], batches=[0.5] * 4)
    places = [(payload["epoch"], payload["batch"]) for payload in server.payloads if "batch" in payload]
    assert places == [(0, 2), (1, 1)]


def test_monitor_gets_many_batches_in_one_request(train, start):
    server = start(Server(is_monitor=True))
    train(RemoteMonitor(server.url, every="batch"), [{}], batches=[float(batch) for batch in range(500)])
    batches = [payload for payload in server.payloads if "batch" in payload]
    assert [payload["batch"] for payload in batches] == list(range(500))
    assert [payload["loss"] for payload in batches] == list(range(500))
    assert len(server.taken) < 60
    assert max(len(request.payload) for request in server.taken) == 100


def test_without_every_no_batch_is_read_from_the_device(train, start):
    server = start(Server())
    run = train(RemoteMonitor(server.url), [{}], batches=[0.5])
    assert server.payloads == [{"epoch": 0, "loss": 0.5}]
    assert "batch_end" in run._hooks.current
    assert not run._hooks.current["batch_end"].needs_logs
