"""What evidence does not say though its words are there: more than a floor, a cut quote, a wish, another variant."""

from __future__ import annotations

import pytest

from recsys.explain.check import check
from recsys.explanation import Evidence

LAMP = "Beacon Desk Lamp"


def popular(count):
    return Evidence(kind="popularity", item_id="lamp", title=LAMP, count=count)


def review(quote, item_id="lamp", title=LAMP):
    return Evidence(kind="review", item_id=item_id, title=title, review_id="r", start=0, end=len(quote), quote=quote)


def held(text, *evidence, **more):
    return check(text, evidence, LAMP, **more).supported


@pytest.mark.parametrize(
    "text",
    [
        "Exactly 10 shoppers chose it.", "Fewer than 15 shoppers chose it.", "Only 10 shoppers chose it.",
        "Just 10 shoppers chose it.", "About 10 shoppers chose it.", "Nearly 11 shoppers chose it.",
        "At most 10 shoppers chose it.", "More than 10 shoppers chose it.", "Up to 20 shoppers chose it.",
        "10 shoppers at most chose it.", "Under 20 people picked it.", "Precisely ten shoppers chose it.",
    ],
)  # fmt: skip
def test_a_round_count_is_a_floor(text):
    assert not held(text, popular(10))


@pytest.mark.parametrize(
    "text",
    [
        "At least 10 shoppers chose it.",
        "10 shoppers chose it.",
        "More than 9 shoppers chose it.",
        "Ten people chose it.",
    ],
)
def test_what_a_floor_says(text):
    assert held(text, popular(10))


def test_german_floors():
    assert held("Mindestens 10 Kunden haben es gekauft.", popular(10), locale="de") == held(
        "10 Kunden haben es gekauft.", popular(10), locale="de"
    )
    assert not held("Genau 10 Kunden haben es gewählt.", popular(10), locale="de")
    assert not held("Weniger als 20 Kunden haben es gewählt.", popular(10), locale="de")


@pytest.mark.parametrize(
    ("quote", "body"),
    [
        ("good … battery", "Good looks. Awful battery."),
        ("the light … is great", "The light. The cable is great"),
        ("the switch … works", "The switch, which I have never in all these weeks found where I had thought it, works"),
        ("great", "It would be great if it worked."),
        ("be great", "It would be great if it worked."),
        ("terrible", "My old lamp was terrible but this one is great."),
        ("waterproof", "I wish it were waterproof."),
        ("bright", "If it were bright I had kept it."),
        ("bright", "I'd call it bright were it lit."),
    ],
)
def test_a_cut_quote_says_what_its_sentence_says(quote, body):
    assert not held(f"One reviewer writes: “{quote}”.", review(body))


@pytest.mark.parametrize(
    ("quote", "body"),
    [
        ("would be great if it worked", "It would be great if it worked."),
        ("this one is great", "My old lamp was terrible but this one is great."),
        ("Good looks … great battery", "Good looks and a great battery."),
        ("so bright", "I would buy it again, it is so bright"),
        ("I would buy it again", "I would buy it again, it is so bright"),
    ],
)
def test_quotes_that_say_what_their_sentence_says(quote, body):
    assert held(f"One reviewer writes: “{quote}”.", review(body))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Reviewers call it terrible.", "My old lamp was terrible but this one is great."),
        ("It is waterproof.", "I wish it were waterproof."),
        ("A reviewer calls it bright.", "It would be bright with another bulb."),
        ("A reviewer calls it sturdy.", "The previous model was sturdy."),
    ],
)
def test_wishes_and_other_things_are_not_said_of_the_item(text, body):
    assert not held(text, review(body))


def test_what_is_said_beside_a_wish_is_said():
    assert held("A reviewer calls it great.", review("My old lamp was terrible but this one is great."))
    assert held("A reviewer calls it bright.", review("It is bright, I wish it were smaller."))


def test_a_variant_of_the_same_title_is_another_item():
    event = Evidence(kind="event", item_id="other", title=LAMP, event_kind="purchase", time=1)
    colour = Evidence(kind="attribute", item_id="other", title=LAMP, field="colour", value="Crimson")
    assert not held("It is crimson.", colour, event, item_id="lamp")
    assert not held("A reviewer calls it sturdy.", review("So sturdy.", "other"), event, item_id="lamp")
    own = Evidence(kind="attribute", item_id="lamp", title=LAMP, field="colour", value="Crimson")
    assert held("It is crimson.", own, colour, event, item_id="lamp")
    assert held("A reviewer calls it sturdy.", review("So sturdy."), event, item_id="lamp")
