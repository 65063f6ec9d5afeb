"""What a reader can do with the curves: with a mouse, with the keyboard alone, on a phone, in the dark."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

LOSSES = {"first": [4.0, 2.0, 1.0, 0.5, 0.25, 0.2], "second": [3.0, 2.5, None, 2.25, 2.125, 2.0]}


def chart(page, metric):
    return page.get_by_role("region", name=metric, exact=True)


def cells(page, metric, run):
    row = chart(page, metric).get_by_role("row").filter(has_text=run)
    return row.get_by_role("cell").all_inner_texts()


def caption(page, metric):
    return chart(page, metric).locator("caption")


def choice(page, run):
    return page.get_by_role("checkbox", name=run, exact=True)


def publish_both(server) -> None:
    """Two runs of six epochs, the second with a value that is no number."""
    for run, losses in LOSSES.items():
        server.begin(run, epochs=len(losses), steps=4)
        for epoch, loss in enumerate(losses):
            batches = [{"epoch": epoch, "batch": batch, "size": 8, "loss": 1 + 0.1 * batch} for batch in range(4)]
            values = {"loss": loss, "val_loss": None if loss is None else loss + 1, "acc": epoch / 10, "note": "text"}
            server.publish(run, *batches, {"epoch": epoch, **values})


def open_page(server, page) -> None:
    publish_both(server)
    page.goto(server.url)
    for run in LOSSES:
        expect(chart(page, "loss").get_by_role("row").filter(has_text=run)).to_be_visible()
        expect(chart(page, "acc").get_by_role("row").filter(has_text=run)).to_be_visible()


def test_hovering_shows_the_values_of_all_runs_in_all_charts(server, page, coloured) -> None:
    open_page(server, page)
    assert page.locator(".chart h2").all_inner_texts() == ["loss", "acc"]
    assert cells(page, "loss", "first") == ["0.2", "1.2", "1.3"]
    for colour in ("--run-0", "--run-1"):
        assert (coloured(chart(page, "loss").locator("canvas"), colour) > 0).sum() > 100
    plot = chart(page, "loss").locator(".u-over")
    box = plot.bounding_box()
    # From the first batch, at a quarter of an epoch, to the end of epoch 6.
    at_epoch_3 = (3 - 0.25) / (6 - 0.25)
    plot.hover(position={"x": box["width"] * at_epoch_3 + 3, "y": 50})
    expect(caption(page, "loss")).to_have_text("epoch 3")
    expect(caption(page, "acc")).to_have_text("epoch 3")
    assert cells(page, "loss", "first") == ["1", "2", "1.3"]
    assert cells(page, "loss", "second") == ["no number", "no number", "1.3"]
    assert cells(page, "acc", "second") == ["0.2"]
    page.mouse.move(5, 5)
    expect(caption(page, "acc")).to_have_text("latest")


def test_dragging_zooms_in_all_charts(server, page) -> None:
    open_page(server, page)
    box = chart(page, "loss").locator(".u-over").bounding_box()
    y = box["y"] + 50
    page.mouse.move(box["x"] + box["width"] * 0.1, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.28, y, steps=5)
    page.mouse.up()
    whole = page.get_by_role("button", name="Whole range")
    expect(whole).to_be_visible()
    # With so few epochs in view the cursor stops at batches: from 0.825 to 1.86 the last ends at 1.75.
    chart(page, "acc").locator(".plot").press("End")
    expect(caption(page, "loss")).to_have_text("epoch 1")
    chart(page, "loss").locator(".plot").press("End")
    expect(caption(page, "loss")).to_have_text("epoch 1.75")
    whole.click()
    expect(whole).to_be_hidden()
    chart(page, "loss").locator(".plot").press("End")
    expect(caption(page, "loss")).to_have_text("epoch 6")


def test_smoothed_values_stand_beside_those_measured(server, page) -> None:
    open_page(server, page)
    page.get_by_role("slider", name="Smoothing").fill("0.6")
    expect(chart(page, "loss").get_by_role("columnheader", name="smoothed")).to_have_count(2)
    average, expected = 0.0, []
    for index, loss in enumerate(LOSSES["first"]):
        average = 0.6 * average + 0.4 * loss
        expected.append(average / (1 - 0.6 ** (index + 1)))
    plot = chart(page, "loss").locator(".plot")
    plot.press("Home")
    plot.press("ArrowRight")
    plot.press("ArrowRight")
    expect(caption(page, "loss")).to_have_text("epoch 3")
    measured, smoothed, *_ = cells(page, "loss", "first")
    assert measured == "1"
    assert abs(float(smoothed) - expected[2]) < 1e-3
    assert abs(float(cells(page, "loss", "first")[3]) - expected[2] - 1) < 1e-3


def test_log_scale_draws_what_is_positive(server, page) -> None:
    open_page(server, page)
    server.publish("first", {"epoch": 5, "loss": 0.2, "gain": -1.0})
    expect(chart(page, "gain")).to_be_visible()
    page.wait_for_timeout(500)
    before = chart(page, "loss").locator("canvas").screenshot()
    page.get_by_role("switch", name="Log scale").check()
    expect(chart(page, "gain")).to_contain_text("None of the values is above 0")
    page.wait_for_timeout(500)
    assert chart(page, "loss").locator("canvas").screenshot() != before
    assert cells(page, "loss", "first")[0] == "0.2"


def test_batches_can_be_left_out(server, page) -> None:
    open_page(server, page)
    expect(chart(page, "loss").get_by_role("columnheader", name="batch")).to_be_visible()
    page.get_by_role("switch", name="Batches").uncheck()
    expect(chart(page, "loss").get_by_role("columnheader", name="batch")).to_have_count(0)


def test_runs_that_are_chosen_stay_chosen(server, page) -> None:
    for run in range(7):
        server.begin(f"run {run}", ago=100.0 - run)
        server.publish(f"run {run}", {"epoch": 0, "loss": float(run)})
    page.goto(server.url)

    def shown() -> list[str]:
        expect(page.locator(".run-shown:enabled")).to_have_count(page.locator("#runs .run").count())
        boxes = page.locator("#runs .run").all()
        return [box.locator(".run-name").inner_text()[4:] for box in boxes if box.locator("input").is_checked()]

    expect(page.locator("#connection")).to_have_text("live")
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(5)
    assert shown() == ["6", "5", "4", "3", "2"]
    choice(page, "run 4").uncheck()
    choice(page, "run 0").check()
    # One that begins meanwhile is shown unasked.
    server.begin("run 7")
    server.publish("run 7", {"epoch": 0, "loss": 7.0})
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(6)
    assert shown() == ["7", "6", "5", "3", "2", "0"]
    colours = {run: page.locator(".run", has_text=f"run {run}").get_attribute("data-colour") for run in (0, 6, 7)}
    assert len(set(colours.values())) == 3
    page.reload()
    expect(page.locator("#connection")).to_have_text("live")
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(5)
    assert shown() == ["7", "6", "5", "3", "0"]
    for run, colour in colours.items():
        expect(page.locator(".run", has_text=f"run {run}")).to_have_attribute("data-colour", colour)


def test_page_works_where_the_browser_keeps_nothing(server, page) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    page.add_init_script(refuse)
    open_page(server, page)
    choice(page, "first").uncheck()
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(1)


def test_ends_are_marked_and_explained(server, page, coloured) -> None:
    states = {"finished": None, "stopped": None, "failed": "ValueError", "interrupted": "KeyboardInterrupt"}
    for state in states:
        server.begin(state, epochs=4)
        server.publish(state, *({"epoch": epoch, "loss": 4.0 - epoch} for epoch in range(4)))
    page.goto(server.url)
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(4)
    for state in states:
        choice(page, state).uncheck()
    widths = {}
    for state, reason in states.items():
        choice(page, state).check()
        expect(chart(page, "loss").locator("tbody tr")).to_have_count(1)
        page.wait_for_timeout(500)
        plot = chart(page, "loss").locator(".plot")
        colour = f"--run-{page.locator('.run', has_text=state).get_attribute('data-colour')}"
        over, frame = chart(page, "loss").locator(".u-over").bounding_box(), plot.bounding_box()
        edge = int(over["x"] + over["width"] - frame["x"]) + 4
        # A curve ends with the plot; only a mark sticks out of it.
        assert coloured(plot, colour)[edge:].sum() == 0, state
        server.end(state, state, reason)
        words = f"{state} ({reason})" if reason else state
        row = page.locator(".run").filter(has=choice(page, state))
        expect(row.locator(".run-state")).to_have_text(words)
        page.wait_for_timeout(500)
        widths[state] = int(coloured(plot, colour)[edge - 4 :].sum())
        assert widths[state] > 0, state
        choice(page, state).uncheck()
    # A square has more in its half than a disc, and a cross less.
    assert widths["stopped"] > widths["finished"] > widths["failed"] > 0
    assert widths["failed"] == widths["interrupted"]


def test_training_that_says_nothing_is_silent(server, page) -> None:
    server.begin("quiet", ago=200.0)
    server.publish("quiet", {"epoch": 0, "loss": 1.0}, ago=190.0)
    page.goto(server.url)
    expect(page.locator(".run-state")).to_have_text("silent for 3 min")


def test_keyboard_is_enough(server, page, keep_picture) -> None:
    open_page(server, page)

    def tab_to(condition: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({condition!r})"):
                return
        raise AssertionError(f"the keyboard does not reach {condition}")

    tab_to("a.skip")
    expect(page.get_by_role("link", name="Skip to the charts")).to_be_in_viewport()
    tab_to(".run-shown")
    page.keyboard.press("Space")
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Space")
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(2)
    tab_to("#log")
    page.keyboard.press("Space")
    expect(page.get_by_role("switch", name="Log scale")).to_be_checked()
    tab_to("#smoothing")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#smoothing-value")).to_have_text("0.01")
    expect(page.get_by_role("columnheader", name="smoothed")).to_have_count(3)
    page.keyboard.press("Home")
    expect(page.get_by_role("columnheader", name="smoothed")).to_have_count(0)
    tab_to(".plot")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(caption(page, "acc")).to_have_text("epoch 5")
    expect(page.locator("#announcer")).to_have_text(
        "loss, epoch 5. second: loss 2.125, val_loss 3.125, batch 1.3. first: loss 0.25, val_loss 1.25, batch 1.3"
    )
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    keep_picture(page, "keyboard")
    page.keyboard.press("Home")
    expect(caption(page, "loss")).to_have_text("epoch 1")
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Whole range")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Whole range")).to_be_hidden()
    expect(caption(page, "loss")).to_have_text("latest")


def test_phone_has_one_column_and_nothing_beside_it(server, page, keep_picture) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    server.begin("x" * 60)
    server.publish("x" * 60, {"epoch": 0, "loss": 1.0, "m" * 150: 2.0})
    publish_both(server)
    page.goto(server.url)
    expect(chart(page, "loss").locator("tbody tr")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    left = {round(each.bounding_box()["x"]) for each in page.locator(".chart").all()}
    assert len(left) == 1
    expect(page.locator("#runs")).to_be_hidden()
    keep_picture(page, "phone")
    page.get_by_text("Runs", exact=True).click()
    expect(page.locator("#runs")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    keep_picture(page, "phone_runs")


def test_dark_and_light(server, page, coloured, keep_picture) -> None:
    open_page(server, page)
    keep_picture(page, "light")
    canvas = chart(page, "loss").locator("canvas")
    light = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--run-0')")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_timeout(600)
    dark = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--run-0')")
    assert dark != light
    # The curves have been drawn anew.
    assert (coloured(canvas, "--run-0") > 0).sum() > 100
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    keep_picture(page, "dark")
    assert np.mean([int(number) for number in re.findall(r"\d+", background)]) < 40


def test_list_of_runs_needs_no_javascript(server, chromium) -> None:
    publish_both(server)
    server.end("first", "failed", "ValueError")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    assert page.locator(".run-name").all_inner_texts() == ["second", "first"]
    assert page.locator(".run-state").all_inner_texts() == ["training", "failed (ValueError)"]
    assert page.locator(".run-epoch").all_inner_texts() == ["epoch 6 of 6", "epoch 6 of 6"]
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of first").click()
    assert download.value.path().read_text().startswith("epoch,batch,time,")
    context.close()
