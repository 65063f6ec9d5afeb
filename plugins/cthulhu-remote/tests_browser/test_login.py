"""A server that asks for a token: what a browser has to do to see its page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def guarded(server):
    """The same server, with a token."""
    server.stop()
    server.options = ("--token", TOKEN)
    server.start()
    return server


def test_token_opens_the_page(guarded, page, complaints, keep_picture) -> None:
    page.goto(guarded.url)
    page.get_by_label("Token").fill("another")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the token of this server.")
    keep_picture(page, "login")
    # A browser says itself that it was refused.
    complaints[:] = [text for text in complaints if "401" not in text]
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button").click()
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.get_by_role("heading", name="No training has reported yet")).to_be_visible()


def test_page_that_is_no_longer_let_in_asks_for_the_token(guarded, page, complaints) -> None:
    page.goto(guarded.url)
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("live")
    guarded.stop()
    guarded.options = ("--token", TOKEN + "-another")
    guarded.start()
    expect(page.get_by_label("Token")).to_be_visible()
    complaints[:] = [text for text in complaints if "Failed to load resource" not in text]
