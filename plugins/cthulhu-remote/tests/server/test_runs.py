"""Runs over time: repetitions, replacements, resumed runs, and what the API says of them."""

from __future__ import annotations

import csv
import io
import json
import threading
from itertools import pairwise

import pytest
import requests


def begin(epoch=0, batch=0, **fields):
    return {
        "begin": {
            "name": "train",
            "epochs": 30,
            "initial_epoch": 0,
            "steps": 4,
            "epoch": epoch,
            "batch": batch,
            **fields,
        }
    }


# --- repetitions and replacements -------------------------------------------------------------------------------------


def test_repetition_is_a_success_and_is_not_taken(monitor):
    id = monitor.new_id()
    for _ in range(3):
        assert monitor.publish(id, begin(), {"epoch": 0, "loss": 1}, first=0).status_code == 204
    assert monitor.summary(id)["part"] == 1
    # The same number again, whatever comes with it.
    assert monitor.publish(id, {"epoch": 0, "loss": 2}, first=1).status_code == 204
    assert monitor.values(id) == {(0, None): {"loss": 1}}


def test_of_a_list_what_is_new_is_taken(monitor):
    id = monitor.new_id()
    assert monitor.publish(id, {"epoch": 0, "loss": 0}, {"epoch": 1, "loss": 1}, first=0).status_code == 204
    events = [{"epoch": epoch, "loss": 10 + epoch} for epoch in range(4)]
    assert monitor.publish(id, *events, first=0).status_code == 204
    assert monitor.values(id) == {(epoch, None): {"loss": loss} for epoch, loss in enumerate([0, 1, 12, 13])}


def test_numbers_belong_to_their_sender(monitor):
    id = monitor.new_id()
    assert monitor.publish(id, {"epoch": 0, "loss": 1}, sender=f"{id}-a", first=7).status_code == 204
    assert monitor.publish(id, {"epoch": 1, "loss": 2}, sender=f"{id}-b", first=0).status_code == 204
    assert monitor.publish(id, {"epoch": 2, "loss": 3}, sender=f"{id}-a", first=7).status_code == 204
    assert monitor.values(id) == {(0, None): {"loss": 1}, (1, None): {"loss": 2}}


def test_repetition_of_one_that_is_being_taken_is_not_taken(monitor):
    id = monitor.new_id()
    statuses = []

    def publish():
        said = {"run": id, "sender": id, "events": [[0, 1.0]]}
        answer = requests.post(
            f"{monitor.url}/publish/epoch/end/", json=begin(), headers={"Cthulhu-Event": json.dumps(said)}, timeout=10
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=publish) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * 10
    assert monitor.summary(id)["part"] == 1


def test_later_point_replaces_an_earlier_one(monitor):
    id = monitor.new_id()
    monitor.publish(id, {"epoch": 0, "batch": 1, "loss": 1, "acc": 1}, {"epoch": 0, "loss": 1})
    monitor.publish(id, {"epoch": 0, "batch": 1, "loss": 2}, {"epoch": 0, "loss": 2})
    assert monitor.values(id) == {(0, 1): {"loss": 2}, (0, None): {"loss": 2}}


def test_event_of_an_unknown_run_makes_it(monitor):
    id = monitor.new_id()
    monitor.publish(id, {"end": {"state": "stopped"}}, at=5.0)
    run = monitor.run(id)
    assert (run["epochs"], run["batches"]) == ([], [])
    told = {name: run["run"][name] for name in ("name", "state", "begun", "ended", "epoch", "part")}
    assert told == {"name": "unnamed", "state": "stopped", "begun": 5.0, "ended": 5.0, "epoch": None, "part": 0}
    assert run["run"] in monitor.get("/api/runs").json()["runs"]


# --- resumed runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "kept"),
    [
        ((0, 0), []),
        ((0, 1), [(0, 0)]),
        ((1, 0), [(0, 0), (0, 1), (0, None)]),
        ((1, 1), [(0, 0), (0, 1), (0, None), (1, 0)]),
        ((2, 0), [(0, 0), (0, 1), (0, None), (1, 0), (1, 1), (1, None)]),
    ],
)
def test_resumed_run_has_no_points_at_or_after_where_it_goes_on(monitor, position, kept):
    id = monitor.new_id()
    points = [{"epoch": e, "batch": b} if b is not None else {"epoch": e} for e in (0, 1) for b in (0, 1, None)]
    monitor.publish(id, begin(), *points, {"end": {"state": "interrupted", "reason": "KeyboardInterrupt"}})
    assert monitor.publish(id, begin(*position), sender=f"{id}-2").status_code == 204
    assert set(monitor.values(id)) == set(kept)
    run = monitor.summary(id)
    assert (run["state"], run["reason"], run["ended"], run["part"]) == ("training", None, None, 2)


def test_run_that_was_resumed_in_one_list_with_its_points(monitor):
    id = monitor.new_id()
    monitor.publish(
        id, begin(), {"epoch": 0, "loss": 0}, {"epoch": 1, "loss": 1}, begin(1), {"epoch": 1, "loss": 2}, {"epoch": 2}
    )
    assert monitor.values(id) == {(0, None): {"loss": 0}, (1, None): {"loss": 2}, (2, None): {}}
    assert monitor.summary(id)["part"] == 2


def test_resumed_run_begun_when_it_first_begun(monitor):
    id = monitor.new_id()
    monitor.publish(id, begin(), {"epoch": 0}, at=10.0)
    monitor.publish(id, begin(1, name="again", epochs=40, steps=None), at=90.0)
    (summary,) = [run for run in monitor.get("/api/runs").json()["runs"] if run["id"] == id]
    told = {name: summary[name] for name in ("begun", "updated", "name", "epochs", "steps", "epoch")}
    assert told == {"begun": 10.0, "updated": 90.0, "name": "again", "epochs": 40, "steps": None, "epoch": 1}


# --- the API ----------------------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first(monitor):
    ids = [monitor.new_id() for _ in range(3)]
    for id in ids:
        monitor.publish(id, begin())
    monitor.publish(ids[0], {"epoch": 0})
    answer = monitor.get("/api/runs")
    assert [run["id"] for run in answer.json()["runs"]][:3] == ids[::-1]
    assert answer.headers["Cache-Control"] == "no-store"


def test_points_are_in_the_order_of_their_positions(monitor):
    id = monitor.new_id()
    monitor.publish(
        id, *({"epoch": e, "batch": b} for e in (10, 9, 2) for b in (10, 9, 2)), {"epoch": 10}, {"epoch": 2}
    )
    run = monitor.run(id)
    assert [point["epoch"] for point in run["epochs"]] == [2, 10]
    assert [(point["epoch"], point["batch"]) for point in run["batches"]] == [
        (e, b) for e in (2, 9, 10) for b in (2, 9, 10)
    ]


@pytest.fixture(scope="module")
def long_run(monitor):
    """A run of 2500 batches in 25 epochs."""
    id = monitor.new_id()
    for epoch in range(25):
        batches = [{"epoch": epoch, "batch": batch, "loss": epoch * 100 + batch} for batch in range(100)]
        assert monitor.publish(id, *batches, {"epoch": epoch, "loss": epoch}).status_code == 204
    return id


@pytest.mark.parametrize("most", [2, 3, 10, 999, 2499])
def test_batches_are_thinned_evenly(monitor, long_run, most):
    run = monitor.run(long_run, batches=most)
    kept = [point["values"]["loss"] for point in run["batches"]]
    assert len(kept) == most
    assert (kept[0], kept[-1]) == (0, 2499)
    steps = {after - before for before, after in pairwise(kept)}
    assert max(steps) - min(steps) <= 1
    assert len(run["epochs"]) == 25


@pytest.mark.parametrize("most", [2500, 10_000])
def test_batches_that_are_few_are_not_thinned(monitor, long_run, most):
    assert monitor.run(long_run, batches=most) == monitor.run(long_run)
    assert [point["values"]["loss"] for point in monitor.run(long_run)["batches"]] == list(range(2500))


def test_one_batch_is_the_last_one_and_none_is_none(monitor, long_run):
    assert [point["values"] for point in monitor.run(long_run, batches=1)["batches"]] == [{"loss": 2499}]
    assert monitor.run(long_run, batches=0)["batches"] == []


# --- CSV --------------------------------------------------------------------------------------------------------------


def table(monitor, id):
    answer = monitor.get(f"/api/runs/{id}.csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{id}.csv"'
    return answer.content.decode()


def test_table_has_a_row_for_each_point_in_order(monitor):
    id = monitor.new_id()
    monitor.publish(
        id,
        begin(),
        {"epoch": 0, "batch": 0, "size": 8, "loss": 0.1},
        {"epoch": 0, "batch": 1, "size": 8, "loss": 1e-05},
        {"epoch": 0, "loss": 0.3, "val_loss": float("nan"), "acc": True},
        {"epoch": 1, "batch": 0, "loss": 3},
        at=100.5,
    )
    assert table(monitor, id) == (
        "epoch,batch,time,acc,loss,size,val_loss\n"
        "0,0,101.5,NA,0.1,8,NA\n"
        "0,1,102.5,NA,1e-05,8,NA\n"
        "0,NA,103.5,True,0.3,NA,NA\n"
        "1,0,104.5,NA,3,NA,NA\n"
    )


def test_long_table_is_complete(monitor, long_run):
    rows = list(csv.DictReader(io.StringIO(table(monitor, long_run))))
    assert [(int(row["epoch"]), row["batch"]) for row in rows] == [
        (epoch, str(batch)) for epoch in range(25) for batch in (*range(100), "NA")
    ]
    assert [int(row["loss"]) for row in rows if row["batch"] != "NA"] == list(range(2500))


def test_table_of_a_run_without_points_is_its_header(monitor):
    id = monitor.new_id()
    monitor.publish(id, begin())
    assert table(monitor, id) == "epoch,batch,time\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_a_text(monitor, text):
    id = monitor.new_id()
    monitor.publish(id, {"epoch": 0, "number": -1, text: text, "plain": 'a, "b"\nc', "list": ["=1", {"a": "é"}]})
    header, row = csv.reader(io.StringIO(table(monitor, id), newline=""))
    cells = dict(zip(header, row, strict=True))
    assert cells[f"'{text}"] == f"'{text}"
    assert (cells["plain"], cells["list"], cells["number"]) == ('a, "b"\nc', '["=1", {"a": "é"}]', "-1")


def test_names_of_removed_points_are_not_in_the_table(monitor):
    id = monitor.new_id()
    monitor.publish(id, begin(), {"epoch": 0, "old": 1}, begin(), {"epoch": 0, "new": 1}, at=1.0)
    assert table(monitor, id) == "epoch,batch,time,new\n0,NA,4.0,1\n"
