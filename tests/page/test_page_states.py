"""States of the page: what an address brings back, the way back, no answer, wrong answers, a shop that is not there."""

from __future__ import annotations

import json
import re


def test_every_state_is_in_the_address_and_comes_back(tab, opened, served):
    page = tab.open(
        f"?user={served.engine.store.log().users[9]}&q=coffee&variant=fused&diversity=0.4&max=60&workings=1&k=20"
    )
    page.locator("#rows").get_by_role("button", name=re.compile("How it got here")).nth(2).click()
    first = tab.titles()
    again = opened()
    other = again.open(page.url.split("/")[-1])
    assert again.titles() == first
    assert other.get_by_role("combobox", name="Search").input_value() == "coffee"
    assert other.get_by_role("radio", name="fused").is_checked()
    assert other.get_by_role("slider", name="Diversity").input_value() == "0.4"
    assert other.get_by_label("Price to").input_value() == "60"
    side = [
        p.get_by_role("complementary", name="Workings").get_by_role("heading", level=3).inner_text()
        for p in (page, other)
    ]
    assert side == [first[2]] * 2


def test_the_way_back(tab):
    page = tab.open("?guest=back")
    before = tab.titles()
    box = page.get_by_role("combobox", name="Search")
    box.fill("tent")
    box.press("Enter")
    page.get_by_role("heading", name="“tent” for a guest").wait_for()
    tab.settled()
    assert tab.titles() != before
    with page.expect_response(re.compile("/v1/recommend$")):
        page.go_back()
    tab.settled()
    assert tab.titles() == before
    assert box.input_value() == ""


def test_the_list_is_there_before_its_reasons(tab):
    page = tab.page
    held = []

    def hold(route):
        held.append(route)

    page.route("**/v1/explain", hold)
    page.goto(f"{tab.url}/?guest=early")
    page.locator("#rows > li").first.wait_for()
    assert page.locator("#rows .reason.waiting").count() == 10
    assert len(tab.titles()) == 10
    for route in held:
        route.continue_()
    tab.settled()
    assert page.locator("#rows .badge").count() >= 10


def test_a_service_that_is_gone_and_comes_back(tab):
    page = tab.open("?guest=six")
    page.route("**/v1/recommend", lambda route: route.abort())
    page.get_by_role("radio", name="fused").check()
    alert = page.get_by_role("alert")
    alert.get_by_text("The service cannot be reached").wait_for()
    page.unroute("**/v1/recommend")
    alert.get_by_role("button", name="Try again").click()
    page.locator("#rows").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_a_problem_is_told_in_words(tab):
    page = tab.open("?guest=seven&min=-3")
    problem = {"type": "urn:x", "title": "The request is not valid", "status": 422, "detail": "too <b>many</b>",
               "field": "body.limit", "request_id": "r1"}  # fmt: skip
    page.route(
        "**/v1/recommend",
        lambda r: r.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem)),
    )
    page.get_by_role("radio", name="fused").check()
    text = page.get_by_role("alert").inner_text()
    for word in ("The request is not valid", "too <b>many</b>", "body.limit", "r1"):
        assert word in text


def test_what_fell_back_is_told(tab):
    page = tab.page

    def degraded(route):
        body = route.fetch().json()
        body |= {"degraded": ["rerank:timeout"], "warnings": ["the clock is slow"]}
        route.fulfill(json=body)

    page.route("**/v1/recommend", degraded)
    tab.open("?guest=eight")
    notices = page.get_by_role("contentinfo").get_by_role("heading", name="Notices").locator("..")
    assert "fell back rerank:timeout" in notices.inner_text()
    assert "the clock is slow" in notices.inner_text()


def test_a_shop_that_is_being_made_and_one_that_cannot_be(tab):
    page = tab.page
    state = {"name": "sample", "title": "Sample shop", "state": "preparing", "steps": ["fitting lightgbm"]}
    body = {"shop": state, "shops": [{"name": "sample", "title": "Sample shop", "state": "preparing"}], "error": ""}
    page.route("**/demo/session", lambda route: route.fulfill(json=body))
    page.goto(tab.url)
    page.get_by_role("progressbar", name="Getting ready").wait_for()
    assert "fitting lightgbm" in page.get_by_role("log", name="Steps").inner_text()
    state["state"], body["error"] = "failed", "events.csv:7: value is no number"
    page.get_by_role("heading", name="This shop could not be made").wait_for()
    assert "events.csv:7" in page.get_by_role("alert").inner_text()


def test_the_keyboard_alone(tab):
    page = tab.open("?guest=nine")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "list-title"
    before = tab.titles()
    for _ in range(12):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
        if name.startswith("Not interested in"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the keyboard is can be seen"
    with page.expect_response(re.compile("/v1/recommend$")):
        page.keyboard.press("Enter")
    tab.settled()
    assert before[0] not in tab.titles()
    assert page.evaluate("document.activeElement.id") == "list-title"


def test_reduced_motion_is_obeyed(opened):
    still = opened().open("?guest=ten")
    assert still.evaluate("document.getAnimations().length") == 0
