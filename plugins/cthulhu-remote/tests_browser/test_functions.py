"""The functions behind the page that touch nothing of it, in the browser that runs them."""

from __future__ import annotations

import pytest


@pytest.fixture
def call(server, page):
    """``call(file, name, *arguments)``: what a function of a file says."""
    page.goto(server.url)

    def call(file, name, *arguments):
        code = "async ([file, name, given]) => (await import(`/static/${file}`))[name](...given)"
        return page.evaluate(code, [file, name, list(arguments)])

    return call


def test_smoothing_is_corrected_for_its_beginning(call) -> None:
    assert call("curves.js", "smooth", [2, 2, None, 2], 0.9) == pytest.approx([2, 2, None, 2])
    first, second = call("curves.js", "smooth", [1, 3], 0.5)
    assert (first, second) == pytest.approx((1, (0.25 * 1 + 0.5 * 3) / 0.75))
    assert call("curves.js", "smooth", [1, 3, None], 0) == [1, 3, None]


def test_positions_count_the_epochs_that_have_passed(call) -> None:
    assert call("curves.js", "position", {"epoch": 3, "batch": None}, 10) == 4
    assert call("curves.js", "position", {"epoch": 3, "batch": 4}, 10) == 3.5
    assert call("curves.js", "position", {"epoch": 3, "batch": 25}, 10) == 4


def test_null_is_a_gap_and_what_is_no_number_is_left_out(call) -> None:
    values = [1, None, "text", True, [2], {}, 5]
    points = [{"epoch": epoch, "batch": None, "values": {"loss": value}} for epoch, value in enumerate(values)]
    points.append({"epoch": 7, "batch": None, "values": {"other": 1}})
    assert call("curves.js", "curve", points, "loss") == {"x": [1, 2, 7], "y": [1, None, 5]}
    assert call("curves.js", "curve", points, "constructor") == {"x": [], "y": []}


def test_thinning_keeps_ends_extremes_and_gaps(call) -> None:
    y = [5.0] * 10_000
    y[1234], y[7777], y[5555] = -9.0, 99.0, None
    thinned = call("curves.js", "thin", {"x": list(range(10_000)), "y": y}, 1000)
    assert len(thinned["x"]) <= 1000
    assert thinned["x"] == sorted(thinned["x"])
    assert {0, 1234, 5555, 7777, 9999} <= set(thinned["x"])
    assert {-9.0, 99.0, None} <= set(thinned["y"])
    short = {"x": [1, 2], "y": [None, 3]}
    assert call("curves.js", "thin", short, 1000) == short


def test_loss_and_its_validation_share_the_first_chart(call) -> None:
    names = [["acc", "val_acc", "val_loss"], ["loss", "lr", "val_"]]
    assert call("curves.js", "chartNames", names) == ["loss", "acc", "lr", "val_"]


def test_nearest(call) -> None:
    assert [call("curves.js", "nearest", [1, 2, 4], wanted) for wanted in (-5, 1.4, 1.6, 3.1, 9)] == [0, 0, 1, 2, 2]
    assert call("curves.js", "nearest", [], 1) == -1


def test_points_are_kept_in_order_and_once(call, page) -> None:
    code = """async () => {
        const { Points, MOST_BATCHES } = await import("/static/points.js");
        const point = (epoch, batch, time, loss) => ({ epoch, batch, time, values: { loss } });
        const points = new Points({ epochs: [point(1, null, 1, 1)], batches: [] });
        points.add(point(0, null, 2, 2));
        points.add(point(1, null, 3, 3));
        points.add(point(1, null, 2, 4));
        for (let batch = 0; batch < 3 * MOST_BATCHES; batch += 1) points.add(point(2, batch, 1, batch));
        const { epochs, batches, largestBatch } = points;
        const isOrdered = batches.every((one, index) => !index || batches[index - 1].batch < one.batch);
        const losses = epochs.map(({ epoch, values }) => [epoch, values.loss]);
        const ends = [batches[0].batch, batches.at(-1).batch];
        return [losses, batches.length <= MOST_BATCHES, ...ends, largestBatch, isOrdered];
    }"""
    assert page.evaluate(code) == [[[0, 2], [1, 3]], True, 0, 29_999, 29_999, True]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0004, "1 ms"), (0.08, "80 ms"), (0.0996, "0.1 s"), (3.21, "3.2 s"), (9.96, "10 s"), (59.6, "1 min"),
        (200, "3 min 20 s"), (3599.7, "1 h"), (7500, "2 h 5 min"), (86_399, "1 d"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_durations(call, seconds, words) -> None:
    assert call("format.js", "duration", seconds) == words


def test_numbers(call) -> None:
    numbers = [0, 0.3000000000000004, -1.23456, 123456, 1234567, 0.000012345, -5e-7]
    words = ["0", "0.3", "-1.235", "123500", "1.235e6", "1.234e-5", "-5e-7"]
    assert [call("format.js", "number", number) for number in numbers] == words


def test_state_in_words(call) -> None:
    run = {"state": "training", "reason": None, "updated": 1000, "seconds_per_epoch": None}
    assert call("format.js", "state", run, 1060) == "training"
    assert call("format.js", "state", run, 1190) == "silent for 3 min"
    assert call("format.js", "state", {**run, "seconds_per_epoch": 100}, 1290) == "training"
    assert call("format.js", "state", {**run, "state": "finished"}, 9999) == "finished"
    failed = {**run, "state": "failed", "reason": "ValueError"}
    assert call("format.js", "state", failed, 9999) == "failed (ValueError)"


def test_time_left_is_counted_down(call) -> None:
    run = {"state": "training", "updated": 1000, "seconds_left": 100}
    assert call("format.js", "left", run, 1000) == "1 min 40 s left"
    assert call("format.js", "left", run, 1070) == "30 s left"
    assert call("format.js", "left", run, 1100) == "about to end"
    assert call("format.js", "left", {**run, "seconds_left": None}, 1000) == ""


def test_colours_are_kept_and_shared_only_when_there_are_no_others(call, page) -> None:
    code = """async ([shown, given]) => {
        const { assign } = await import("/static/colours.js");
        return [...assign(shown, new Map(given))];
    }"""
    assert page.evaluate(code, [["a", "b", "c"], [["b", 0], ["gone", 1]]]) == [["b", 0], ["a", 1], ["c", 2]]
    many = page.evaluate(code, [[str(number) for number in range(10)], []])
    assert [colour for _, colour in many] == [*range(8), 0, 1]
