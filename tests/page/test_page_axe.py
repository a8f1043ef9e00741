"""axe finds no serious fault in any state, and nothing is wider than a narrow screen."""

from __future__ import annotations

import re

import pytest

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def faults(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found if one["impact"] in ("serious", "critical", "moderate")
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "query", ["?guest=a&workings=1&q=coffee", "?user={user}&compare=1&other=popularity", "?guest=a&brand=Nope"]
)
def test_states(opened, served, scheme, query):
    tab = opened(color_scheme=scheme)
    page = tab.open(query.format(user=served.engine.store.log().users[15]))
    assert faults(page) == []


def test_narrow(opened, served):
    tab = opened(viewport={"width": 360, "height": 780}, color_scheme="dark")
    for query in ("?user={user}&workings=1", "?user={user}&compare=1"):
        page = tab.open(query.format(user=served.engine.store.log().users[15]))
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_opens(tab, served):
    page = tab.open(f"?user={served.engine.store.log().users[15]}")
    page.get_by_role("button", name="Your CSV").click()
    assert faults(page) == []
    page.get_by_role("button", name="Cancel").click()
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially("co")
    page.get_by_role("listbox").get_by_role("option").first.wait_for()
    box.press("ArrowDown")
    assert faults(page) == []
    box.press("Escape")
    tab.act(page.locator("#rows").get_by_role("button", name=re.compile("Not interested")).nth(2))
    assert faults(page) == []
