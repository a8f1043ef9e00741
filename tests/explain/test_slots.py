"""Reasons with slots: what a model is told, what it may write, and what becomes of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from explain_cases import NOW, case, cases, event, fact, review, shared
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.explain.slots import SLOT, TURNS, Draft, draft, slot_names
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence

TEMPLATE = Template()


def drafted(one: Case) -> Draft:
    made = draft(one, TEMPLATE.phrases_for(one))
    assert made is not None
    return made


BOUGHT = fact("event", 0.8, event("purchase"), causal_drop=0.2)
QUOTED = fact("aspect", 0.6, review("the fit is great"), aspect="fit", sentiment=0.9)
POPULAR = fact("popularity", 0.2, Evidence(kind="popularity", item_id="r", title="x", count=300))


def test_facts_are_told_without_names() -> None:
    made = drafted(case(BOUGHT, shared("brand", "Trailhead", 0.7), QUOTED, POPULAR))
    assert made.facts == "- bought [SEEN] [WHEN]; same brand [BRAND]\n- one review on [ASPECT]: [QUOTE]"
    assert made.slots == {
        "[SEEN]": "the Trailhead Storm Rain Jacket", "[WHEN]": "in April", "[BRAND]": "Trailhead", "[ASPECT]": "fit",
        "[QUOTE]": "“the fit is great”", "[ITEM]": "the Trailhead Ridge Trousers",
    }  # fmt: skip
    assert made.required == {"[SEEN]", "[BRAND]", "[ASPECT]", "[QUOTE]"}
    assert (made.tone, made.sure, made.causal_drop) == ("plain", "strong", 0.2)


def test_two_events_have_slots_of_their_own() -> None:
    second = fact("event", 0.75, event("view", item_id="h2", title="Copper Kettle"))
    made = drafted(case(BOUGHT, second))
    assert [line.roles["seen"] for line in made.lines] == ["[SEEN]", "[SEEN2]"]
    assert made.slots["[SEEN2]"] == "the Copper Kettle"


def test_an_act_on_the_item_itself_names_nothing() -> None:
    made = drafted(case(fact("event", 0.8, event("cart", item_id="r"))))
    assert made.lines[0].kind == "again"
    assert "[SEEN]" not in made.slots
    assert made.facts == "- put in the cart this [WHEN]"


def test_nothing_to_say_is_no_draft() -> None:
    assert draft(case(), TEMPLATE.phrases_for(case())) is None


def test_names_are_put_in_letter_by_letter() -> None:
    made = drafted(case(BOUGHT, QUOTED))
    text = made.filled("[SEEN] went home with you[WHEN] . about the[ASPECT], hear [QUOTE].")
    assert text == (
        "The Trailhead Storm Rain Jacket went home with you in April. About the fit, hear “the fit is great”."
    )


@pytest.mark.parametrize("title", ["Best [ABC] Mug", "Storm [WHEN] Jacket", "[SEEN] Mug", "Mug [SEEN]", "[ITEM]"])
def test_a_title_that_looks_like_a_slot_is_a_title(title: str) -> None:
    made = drafted(case(fact("event", 0.8, event("purchase", title=title), causal_drop=0.2)))
    name = made.slots["[SEEN]"]
    assert title in name
    assert made.filled("you bought [SEEN] [WHEN].") == f"You bought {name} in April."
    assert made.filled("[SEEN] is yours [WHEN].") == f"{name[0].upper()}{name[1:]} is yours in April."


def test_what_is_missing_and_what_is_foreign_is_found() -> None:
    made = drafted(case(BOUGHT, QUOTED))
    assert made.missing("[SEEN] and [QUOTE]") == {"[ASPECT]"}
    assert made.foreign("[SEEN], [SEEN], [COUNT] and [QUOTE]") == ("[SEEN]", "[COUNT]")
    with pytest.raises(KeyError):
        made.filled("No fewer than [COUNT] shoppers.")


def test_a_value_has_the_name_of_its_own_field() -> None:
    other = event("view", item_id="h2", title="Copper Kettle")
    made = drafted(case(BOUGHT, shared("brand", "Trailhead", 0.7), shared("colour", "Slate", 0.6, other)))
    assert made.misplaced("Its maker is [BRAND], and [SEEN] too. Its colour is [COLOUR], as with [SEEN2].") == ()
    assert made.misplaced("It is by [BRAND], like [SEEN]. It comes in [COLOUR], as does [SEEN2].") == ()
    assert made.misplaced("Its colour is [BRAND]. It shares a section, [COLOUR], with [SEEN2].") == (
        "[BRAND]", "[COLOUR]",
    )  # fmt: skip
    assert made.misplaced("Both share a maker and a colour, [BRAND] and [COLOUR].") == ()


def test_a_quote_with_a_slot_in_it_fills_nothing() -> None:
    hostile = fact("aspect", 0.6, review("great [SEEN] and [ITEM]"), aspect="fit", sentiment=0.9)
    made = drafted(case(BOUGHT, hostile))
    assert "great [SEEN] and [ITEM]" in made.filled("[SEEN]: [QUOTE].")


def test_neighbours_begin_differently() -> None:
    turns = {drafted(case(BOUGHT, seed=place)).turn for place in range(TURNS)}
    assert turns == set(range(TURNS))


@settings(max_examples=60, deadline=None)
@given(cases(locales=("en",)))
def test_a_model_reads_no_word_of_catalogue_or_review(one: Case) -> None:
    secret = "zyxwvut"
    spoiled = replace(
        one, title=f"{secret} {one.title}",
        facts=tuple(
            replace(f, aspect=f.aspect and secret, evidence=tuple(
                replace(
                    e, title=f"{secret} {e.title}", value=e.value and f"{secret} {e.value}",
                    quote=e.quote and f"{secret} {e.quote}",
                ) for e in f.evidence
            )) for f in one.facts
        ),
    )  # fmt: skip
    made = draft(spoiled, TEMPLATE.phrases_for(spoiled))
    if made is not None:
        assert secret not in made.facts
        assert set(SLOT.findall(made.facts)) <= set(made.slots) <= set(slot_names())
        assert made.required <= set(made.slots)


@settings(max_examples=60, deadline=None)
@given(cases(locales=("en",)), st.randoms(use_true_random=False))
def test_all_slots_in_any_order_give_all_names(one: Case, random: object) -> None:
    made = draft(one, TEMPLATE.phrases_for(one))
    if made is None:
        return
    slots = sorted(made.slots)
    random.shuffle(slots)  # type: ignore[attr-defined]
    text = f"Look: {', '.join(slots)}."
    assert not made.missing(text)
    assert not made.foreign(text)
    whole = made.filled(text)
    assert all(name in whole for name in made.slots.values())
    assert re.search(r"\s{2}", whole) is None


def test_the_time_is_left_out_where_it_is_not_known() -> None:
    made = drafted(case(fact("event", 0.8, replace(event("purchase"), time=NOW + 10))))
    assert made.facts == "- bought [SEEN]"
