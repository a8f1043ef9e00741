"""Every control of the page, found by role and name as somebody with a screen reader finds it."""

from __future__ import annotations

import re

import pytest


def chosen(page):
    return page.get_by_role("combobox", name="Shopper").input_value()


def rows(page):
    return page.get_by_role("list").filter(has=page.get_by_role("article")).get_by_role("article")


def test_the_list_is_there_with_prices_pictures_reasons_and_badges(tab):
    page = tab.open()
    assert page.get_by_role("heading", level=1, name="recsys").is_visible()
    assert page.get_by_role("heading", level=2, name=re.compile("Recommended for")).is_visible()
    assert rows(page).count() == 10
    first = rows(page).first
    assert first.locator("img").evaluate("image => image.complete && image.naturalWidth") == 96
    assert first.locator(".price").inner_text()
    assert first.get_by_text(re.compile("^(template|generated|quoted|no reason)$")).is_visible()


def test_a_shopper_a_stranger_and_a_guest(tab):
    page = tab.open()
    first = tab.titles()
    picker = page.get_by_role("combobox", name="Shopper")
    with page.expect_response(re.compile("/v1/recommend$")):
        picker.select_option(index=5)
    tab.settled()
    assert tab.titles() != first
    assert f"user={chosen(page)}" in page.url
    picker.select_option(label="Another id…")
    page.get_by_role("textbox", name="Id").fill("nobody-knows")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("is known: the list is what a stranger gets").wait_for()
    assert page.get_by_role("heading", name="Recommended for nobody-knows").is_visible()
    picker.select_option(label="A guest, nothing known")
    page.get_by_role("heading", name="Recommended for a guest").wait_for()
    was = page.url
    page.get_by_role("button", name="New guest").click()
    assert page.url != was


def test_a_guest_who_acts_gets_another_list_at_once(tab):
    page = tab.open("?guest=one")
    before = tab.titles()
    after = tab.act(rows(page).nth(3).get_by_role("button", name=re.compile("Pretend to buy")))
    assert after != before
    assert before[3] not in after
    assert re.search(r"Bought, as if: .*The list changed: \d+ left the list", tab.status(), re.DOTALL)
    page.locator("#history").get_by_text("bought").wait_for()
    assert before[3] in page.locator("#history").inner_text()


@pytest.mark.parametrize("action", ["Not interested in", "Already have"])
def test_what_is_refused_or_owned_leaves_the_list(tab, action):
    page = tab.open("?guest=two")
    before = tab.titles()
    after = tab.act(rows(page).nth(1).get_by_role("button", name=re.compile(action)))
    assert before[1] not in after
    assert before[1][:30] in tab.status()
    marks = page.locator("#rows .mark").all_text_contents()
    assert any("up" in mark or "new" in mark for mark in marks), "what moved is marked in words"
    assert page.evaluate("document.activeElement.id") == "list-title"


def test_history_can_be_forgotten_line_by_line(tab, served):
    page = tab.open(f"?user={served.engine.store.log().users[11]}")
    lines = page.locator("#history").get_by_role("listitem")
    lines.first.wait_for()
    assert re.search(r"\d{1,2} \w{3}", lines.first.inner_text())
    title = lines.first.locator("bdi").inner_text()
    tab.act(lines.first.get_by_role("button", name=re.compile("Forget this")))
    assert "Forgotten" in tab.status()
    page.wait_for_function("t => !document.querySelector('#history').innerText.includes(t)", arg=title)


def with_chip(tab, served, name):
    """Open the list of the first shopper whose reasons have such a chip, and return it."""
    for user in served.engine.store.log().users[20:40]:
        page = tab.open(f"?user={user}")
        found = page.get_by_role("list", name="Evidence").get_by_role("button", name=re.compile(name))
        if found.count():
            return page, found.first
    raise AssertionError(f"no reason has a chip {name}")


def test_a_chip_shows_the_act_in_the_history(tab, served):
    page, chip = with_chip(tab, served, "Show it in the history")
    chip.click()
    cited = page.locator("#history .cited")
    assert cited.count() == 1
    assert cited.evaluate("line => line === document.activeElement")


def test_a_chip_opens_the_very_words_of_a_review(tab, served):
    page, chip = with_chip(tab, served, "Open the review")
    quote = chip.locator("bdi").inner_text().rstrip("…")
    chip.click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert dialog.locator("mark").inner_text().startswith(quote[:60])
    assert "review=" in page.url
    linked = page.url
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    assert "review=" not in page.url
    page.goto(linked)
    page.get_by_role("dialog").locator("mark").wait_for()


def test_a_reason_can_be_removed(tab, served):
    page, chip = with_chip(tab, served, "Remove this reason")
    title = chip.get_attribute("aria-label").removeprefix("Remove this reason: ")
    tab.act(chip)
    assert "Reason removed" in tab.status()
    said = page.get_by_role("list", name="Evidence").get_by_role(
        "button", name=f"Remove this reason: {title}", exact=True
    )
    assert said.count() == 0


def test_the_profile_is_edited_forgotten_and_restored(tab, served):
    engine = served.engine
    user = next(u for u in engine.store.log().users[50:] if len(engine.profile(u).lines) > 1)
    page = tab.open(f"?user={user}")
    fold = page.locator("#profile")
    fold.get_by_role("button", name=re.compile("^Edit")).first.click()
    words = fold.get_by_role("textbox", name="In your words")
    words.fill("I only ever buy presents")
    words.press("Enter")
    fold.get_by_text("I only ever buy presents").wait_for()
    assert fold.get_by_text("your words").is_visible()
    fold.get_by_role("button", name=re.compile("^Undo the edit")).click()
    fold.get_by_text("I only ever buy presents").wait_for(state="detached")
    fold.get_by_role("button", name=re.compile("^Forget")).first.click()
    fold.get_by_role("heading", name="Forgotten").wait_for()
    assert "Forgotten" in tab.status()
    fold.get_by_role("button", name=re.compile("^Restore")).first.click()
    fold.get_by_role("heading", name="Forgotten").wait_for(state="detached")


def test_search_with_suggestions_by_keyboard(tab):
    page = tab.open("?guest=three")
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    assert box.evaluate("b => b === document.activeElement")
    box.press_sequentially("cof", delay=5)
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    options.first.wait_for()
    box.press("ArrowDown")
    box.press("ArrowDown")
    second = options.nth(1)
    assert second.get_attribute("aria-selected") == "true"
    assert box.get_attribute("aria-activedescendant") == second.get_attribute("id")
    text = second.inner_text()
    with page.expect_response(re.compile("/v1/search$")):
        box.press("Enter")
    tab.settled()
    assert box.input_value() == text
    assert page.get_by_role("heading", name=f"“{text}” for a guest").is_visible()
    box.fill("cofee grinder")
    box.press("Enter")
    page.get_by_text("read cofee as coffee").wait_for()
    box.press_sequentially("s")
    page.keyboard.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("heading", name="Recommended for a guest").wait_for()


def test_filters_hold_and_say_when_nothing_passes(tab):
    page = tab.open("?guest=four")
    with page.expect_response(re.compile("/v1/recommend$")):
        page.get_by_label("Category").select_option("Garden")
    page.get_by_label("Price to").fill("20")
    with page.expect_response(re.compile("/v1/recommend$")) as answer:
        page.get_by_label("Price to").press("Tab")
    tab.settled()
    assert page.evaluate("document.activeElement.tagName") != "BODY", "the place of the keyboard is kept"
    found = answer.value.json()["items"]
    assert found
    assert all("Garden" in row["fields"]["categories"] and row["fields"]["price"] <= 20 for row in found)
    page.get_by_label("Price from").fill("19.99")
    page.get_by_label("Price from").press("Tab")
    page.get_by_label("Price to").fill("0.5")
    page.get_by_label("Price to").press("Tab")
    page.get_by_role("heading", name="Nothing to show").wait_for()
    page.get_by_role("button", name="Take the filters away").click()
    tab.settled()
    assert rows(page).count() == 10


def test_plans_diversity_and_more(tab):
    page = tab.open("?guest=five")
    with page.expect_response(re.compile("/v1/recommend$")) as answer:
        page.get_by_role("radio", name="Popularity").check()
    assert answer.value.json()["model"]["name"] == "popularity"
    slider = page.get_by_role("slider", name="Diversity")
    slider.focus()
    with page.expect_request(re.compile("/v1/recommend$")) as asked:
        slider.press("End")
    assert asked.value.post_data_json["diversity"] == 1
    tab.settled()
    page.get_by_role("button", name="Show more").click()
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 20")


def test_workings_of_every_row(tab, served):
    page = tab.open(f"?user={served.engine.store.log().users[3]}")
    page.get_by_role("button", name="Show workings").click()
    side = page.get_by_role("complementary", name="Workings")
    side.get_by_role("table", name="What each source said").wait_for()
    overview = side.get_by_role("table", name="Rank of each item at every stage")
    assert overview.get_by_role("row").count() == 11
    features = side.get_by_role("table", name=re.compile("What the score is made of")).get_by_role("row")
    assert 2 <= features.count() <= 9
    parts = [float(t.replace("−", "-")) for t in features.locator("td.num").all_text_contents()]
    assert abs(parts[0]) == max(map(abs, parts))
    assert [h.inner_text() for h in side.get_by_role("heading", level=4).all()][:4] == [
        "Candidates", "United", "LightGBM", "Reranker",
    ]  # fmt: skip
    rows(page).nth(4).get_by_role("button", name=re.compile("How it got here")).click()
    title = tab.titles()[4]
    assert side.get_by_role("heading", level=3).inner_text() == title
    assert "item=" in page.url
    overview.get_by_role("button").first.click()
    assert side.get_by_role("heading", level=3).inner_text() == tab.titles()[0]
    page.get_by_role("button", name="Show workings").click()
    assert not side.is_visible()


def test_two_plans_side_by_side(tab, served):
    page = tab.open(f"?user={served.engine.store.log().users[5]}")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("combobox", name="Compare with").select_option("popularity")
    left, right = page.get_by_role("region", name="No LLM"), page.get_by_role("region", name="Popularity")
    right.wait_for()
    tab.settled()
    ids = [[li.get_attribute("data-item") for li in side.locator("li").all()] for side in (left, right)]
    marks = [[m.inner_text() for m in side.locator(".mark").all()] for side in (left, right)]
    assert [len(side) for side in ids] == [10, 10]
    for item, mark in zip(ids[1], marks[1], strict=True):
        assert ("new" in mark) == (item not in ids[0]), mark
    for item, mark in zip(ids[0], marks[0], strict=True):
        assert ("dropped" in mark) == (item not in ids[1]), mark
    assert f"{len(set(ids[0]) & set(ids[1]))} of 10 products are in both lists" in tab.status()
    page.get_by_role("button", name="Compare").click()
    tab.settled()
    assert rows(page).count() == 10


def test_the_foot_tells_time_model_and_takes_along(opened, served, capsys):
    tab = opened(permissions=["clipboard-read", "clipboard-write"])
    page = tab.open(f"?user={served.engine.store.log().users[7]}&max=50")
    foot = page.get_by_role("contentinfo")
    assert foot.get_by_role("img", name=re.compile(r"ms used of a budget of 500 ms")).is_visible()
    assert "find" in foot.get_by_role("list").first.inner_text()
    assert served.engine.config.hash in foot.inner_text()
    foot.get_by_role("button", name="Copy link").click()
    foot.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    foot.get_by_role("button", name="Copy as curl").click()
    shown = page.get_by_role("dialog").get_by_role("region", name="The text").inner_text()
    assert "curl -s" in shown
    assert "/v1/recommend" in shown
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    foot.get_by_role("button", name="Copy as Python").click()
    code = page.get_by_role("dialog").get_by_role("region", name="The text").inner_text()
    assert "'lte'" in code.replace('"', "'")
    exec(code, {})  # prints the list, as the engine would
    assert tab.titles()[0][:40] in capsys.readouterr().out


def test_the_theme(tab):
    page = tab.open()
    dark = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(dark)
    page.get_by_role("combobox", name="Theme").select_option("dark")
    assert page.evaluate(dark) != light
    assert "theme=dark" in page.url
    page.reload()
    tab.settled()
    assert page.evaluate(dark) != light
