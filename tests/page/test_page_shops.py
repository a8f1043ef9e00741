"""Other shops on the page: one that is on offer, and one's own out of dropped files."""

from __future__ import annotations

import re

import pytest

EVENTS = "user_id,item_id,timestamp,kind,title,category,price\n" + "".join(
    f"u{u},i{i},{1_700_000_000 + 86_400 * n + u},purchase,Thing {i},Group {i % 4},{5 + n}\n"
    for u in range(30)
    for n in range(6)
    for i in [(u * 7 + n * 3) % 40]
)


def upload(page, text, name="orders.csv"):
    page.get_by_role("button", name="Your CSV").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What happened").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    )
    dialog.get_by_role("button", name="Make the shop").click()
    return dialog


def test_bring_your_own(tab):
    page = tab.open("?guest=csv")
    upload(page, EVENTS + "u1,,1700000000,purchase,x,y,1\nu1,i2,never,purchase,x,y,1\n")
    page.get_by_role("combobox", name="Shop", exact=True).locator("option", has_text="orders.csv").wait_for(
        state="attached"
    )
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length > 0")
    tab.settled()
    assert "shop=csv-" in page.url
    assert all(re.fullmatch(r"Thing \d+", title) for title in tab.titles())
    assert page.get_by_role("combobox", name="Shopper").locator("option").count() >= 20
    page.get_by_text("About the data").click()
    notices = page.get_by_role("contentinfo").inner_text()
    assert "events.csv:182" in notices
    assert "events.csv:183" in notices
    # What is done in one shop stays there.
    before = tab.titles()
    tab.act(page.locator("#rows").get_by_role("button", name=re.compile("Already have")).first)
    assert before[0] not in tab.titles()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("colour,shape\nred,round\n", "which column is the user"),
        ("user_id,item_id,timestamp\nu1,i1,never\nu2,i2,soon\n", "time"),
    ],
)
def test_what_cannot_be_read_is_told(tab, text, said):
    page = tab.open("?guest=bad")
    dialog = upload(page, text)
    if not text:
        dialog.get_by_role("alert").filter(has_text=said).wait_for()
        return
    alert = page.get_by_role("main").get_by_role("alert")
    alert.wait_for()
    assert said in alert.inner_text()
    assert "/tmp" not in alert.inner_text()
    page.get_by_role("button", name="Back to the sample shop").click()
    page.locator("#rows").wait_for()


def test_a_file_has_to_be_chosen(tab):
    page = tab.open("?guest=none")
    page.get_by_role("button", name="Your CSV").click()
    page.get_by_role("button", name="Make the shop").click()
    page.get_by_role("alert").filter(has_text="Choose a file").wait_for()


def test_dropping_a_file_opens_the_form(tab):
    page = tab.open("?guest=drop")
    page.evaluate(
        """() => { const data = new DataTransfer(); data.items.add(new File(['a,b'], 'mine.csv', {type: 'text/csv'}));
        document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})); }"""
    )
    page.get_by_role("dialog").get_by_role("heading", name="Bring your own shop").wait_for()
    assert page.get_by_label("What happened").evaluate("field => field.files[0].name") == "mine.csv"


def test_a_shop_on_offer_is_made_when_it_is_picked(tab):
    page = tab.open("?guest=real")
    page.get_by_role("combobox", name="Shop", exact=True).select_option(label="Real data: another shop")
    page.wait_for_function("() => new URLSearchParams(location.search).get('shop') === 'real'")
    page.locator("#rows > li").first.wait_for()
    tab.settled()
    assert page.get_by_role("combobox", name="Shopper").locator("option").count() > 3
