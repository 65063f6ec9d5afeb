"""A real training, seen live: it grows while it is looked at, and neither a restart nor a name disturbs the page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

NAME = "<script>alert(1)</script>"
HOSTILE = "<img src=x onerror=alert(2)>"
# A browser says itself that it has lost a server.
LOST = re.compile(r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")


def chart(page: Page, metric: str):
    return page.get_by_role("region", name=metric, exact=True)


def row(page: Page, metric: str, run: str):
    return chart(page, metric).get_by_role("row").filter(has_text=run)


def expect_last(page: Page, server, name: str, epoch: int) -> None:
    """The keyboard finds an epoch at the end of the curve, and its values are those of the server."""
    plot = chart(page, "loss").locator(".plot")
    expect(page.locator(".run-name", has_text=name)).to_have_count(1)
    for _ in range(100):
        plot.press("End")
        if chart(page, "loss").locator("caption").inner_text() == f"epoch {epoch}":
            break
        page.wait_for_timeout(100)
    expect(chart(page, "loss").locator("caption")).to_have_text(f"epoch {epoch}")
    last = server.run(name)["epochs"][-1]
    assert last["epoch"] == epoch - 1
    cells = row(page, "loss", name).get_by_role("cell")
    assert [float(cells.nth(index).inner_text()) for index in (0, 1)] == [
        float(f"{last['values'][key]:.4g}") for key in ("loss", "val_loss")
    ]
    plot.press("Escape")
    expect(chart(page, "loss").locator("caption")).to_have_text("latest")


def test_curve_grows_and_a_restart_of_the_server_does_not_matter(
    server, train, page, complaints, coloured, keep_picture
) -> None:
    page.goto(server.url)
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.get_by_role("heading", name="No training has reported yet")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")

    training = train(NAME, 8)
    training.allow(3)
    # The third epoch is at the end, with nothing after it.
    expect(chart(page, "loss")).to_be_visible()
    expect(page.get_by_role("heading", name="No training has reported yet")).to_be_hidden()
    expect_last(page, server, NAME, 3)
    expect(page.locator(".run-state")).to_have_text("training")
    expect(page.locator(".run-epoch")).to_have_text("epoch 4 of 8")
    assert (coloured(chart(page, "loss").locator("canvas"), "--run-0") > 0).sum() > 100

    training.allow(4)
    expect_last(page, server, NAME, 4)

    server.stop()
    expect(page.locator("#connection")).to_have_text("reconnecting…")
    training.allow(6)
    server.start()
    expect(page.locator("#connection")).to_have_text("live")
    expect_last(page, server, NAME, 6)

    training.allow(8)
    training.wait()
    expect_last(page, server, NAME, 8)
    expect(page.locator(".run-state")).to_have_text("finished")
    expect(page.locator(".run-epoch")).to_have_text("epoch 8 of 8")
    expect(page.locator(".run-progress")).to_have_js_property("value", 8)
    assert page.evaluate("window.isTheSamePage") is True

    keep_picture(page, "training")
    # Names are shown as they are, and make nothing.
    expect(page.locator(".run-name")).to_have_text(NAME)
    expect(chart(page, HOSTILE).get_by_role("heading")).to_have_text(HOSTILE)
    assert page.locator("#main img, #runs img, #runs script, #main script").count() == 0
    assert not [text for text in complaints if "dialog" in text or "Content" in text]
    complaints[:] = [text for text in complaints if not LOST.match(text)]


def test_page_shows_a_training_that_was_there_before_it(server, train, page) -> None:
    training = train("before", 2)
    training.allow(2)
    training.wait()
    page.goto(server.url)
    expect_last(page, server, "before", 2)
    batches = row(page, "loss", "before").get_by_role("cell").nth(2)
    assert float(batches.inner_text()) == float(f"{server.run('before')['batches'][-1]['values']['loss']:.4g}")


def test_run_that_goes_on_from_an_earlier_epoch_loses_what_came_after(server, page) -> None:
    server.begin("resumed")
    server.publish("resumed", *({"epoch": epoch, "loss": 1.0 + epoch} for epoch in range(5)))
    page.goto(server.url)
    expect(row(page, "loss", "resumed").get_by_role("cell")).to_have_text("5")
    plan = {"name": "resumed", "epochs": 10, "initial_epoch": 0, "steps": None, "epoch": 2, "batch": 0}
    server.publish("resumed", {"begin": plan})
    expect(row(page, "loss", "resumed").get_by_role("cell")).to_have_text("2")
    server.publish("resumed", {"epoch": 2, "loss": 7.5})
    expect(row(page, "loss", "resumed").get_by_role("cell")).to_have_text("7.5")
