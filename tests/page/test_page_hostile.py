"""Titles of hostile sellers: nothing of them is markup, turns the page round, or bursts it."""

from __future__ import annotations

import re

import pytest

BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u0000-\u0008\u007f]")
VIEWS = {
    "a list": "?q=quokka&guest=h", "workings": "?q=quokka&guest=h&workings=1",
    "side by side": "?q=quokka&guest=h&compare=1&other=popularity",
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [1280, 360])
def test_titles(opened, view, width):
    tab = opened(viewport={"width": width, "height": 800})
    page = tab.open(VIEWS[view])
    text = page.locator("body").inner_text()
    assert "<img src=x onerror=" in text, "it is shown as it was written"
    assert page.title() != "owned"
    assert page.locator("main script, main b, main i, main img[src='x']").count() == 0
    assert not BIDI.search(text)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    longest = max(map(len, page.locator("main bdi").all_text_contents()))
    assert longest <= 1_000
    assert page.locator("#centre").bounding_box()["height"] < 9_000
    titles = page.locator("main h3 bdi, main h4 bdi").all()
    assert all(title.evaluate("t => getComputedStyle(t).unicodeBidi") == "isolate" for title in titles)


def test_they_may_be_bought_and_forgotten(tab):
    page = tab.open("?q=quokka&guest=h2")
    row = page.locator("#rows > li").filter(has_text="onerror")
    tab.act(row.get_by_role("button", name=re.compile("Pretend to buy")))
    line = page.locator("#history").get_by_role("listitem").filter(has_text="onerror")
    line.wait_for()
    tab.act(line.get_by_role("button", name=re.compile("Forget this")))
    line.wait_for(state="detached")
    assert page.title() != "owned"


def test_words_of_the_address_are_text_too(tab):
    page = tab.open("?q=%3Cb%3Equokka%3C%2Fb%3E&user=%3Cscript%3E1%3C%2Fscript%3E&brand=%3Ci%3E")
    assert "“<b>quokka</b>” for <script>1</script>" in page.get_by_role("heading", level=2).all_inner_texts()
    assert page.locator("main b, main script").count() == 0
