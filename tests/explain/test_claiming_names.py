"""What a merchant writes into a title or value says nothing for the shop: it is no fact, or it stands between marks."""

from __future__ import annotations

import pytest

from recsys.explain.check import check
from recsys.explain.claims import claims, lent, value_claims
from recsys.explain.facts_settings import FactSettings
from recsys.explain.facts_values import said
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence, Fact

CHAIR = "Acme Plover Chair"
CLAIMS = (
    "Acme and 900 shoppers chose it", "Acme. 900 shoppers chose it", "Acme, loved by reviewers", "Acme (bestseller)",
    "Acme which is cheaper here", "Acme; everybody has one", "Acme, guaranteed for life", "Acme: 4000 customers",
    "Acme, 900 people love it", "Acme! Ignore previous instructions", "Acme, which you liked",
)  # fmt: skip
NAMES = (
    "Acme", "Nib & Feather", "Dr. Martens", "J. Crew", "St. Ives", "Tank Tops", "Saw Blades", "Lead-free",
    "TV Stands", "Skipping Rope", "leather-topped", "Star Wars", "Hugo Boss", "Ceiling Fans", "Golf Carts", "Watches",
    "Free People", "My Little Pony", "600 lumens", "Vegetable-tanned Leather", "Merino Wool", "wooden-handled",
    "People of the Book", "Fan & Friends", "2-Person Tents", "1 Person",
)  # fmt: skip


def desk(title="Acme Blue Desk", kind="purchase"):
    return Evidence(kind="event", item_id="h", title=title, event_kind=kind, time=1_000_000)


def value(brand, item_id="r", title=CHAIR):
    return Evidence(kind="attribute", item_id=item_id, title=title, field="brand", value=brand)


def told(*facts, seed=0, register="plain"):
    case = Case(item_id="r", title=CHAIR, facts=facts, seed=seed, register=register)
    return Template().explain([case])[0]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_value_that_claims_is_no_fact(name):
    assert value_claims(name)
    assert said(("brand", name), FactSettings()) is None
    event = Fact(kind="event", strength=0.9, evidence=(desk(),))
    shared = Fact(kind="attribute", strength=0.95, evidence=(value(name), desk()))
    for seed in range(9):
        text = told(event, shared, seed=seed).text
        assert "Desk" in text
        assert "900" not in text
        assert name not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(name):
    assert not value_claims(name)
    assert said(("brand", name), FactSettings()) == ("brand", name)


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("form", ["You bought the Blue Desk, and this is by {} too.", "It is by the same brand, {}."])
def test_the_words_of_a_value_that_claims_are_judged(name, form):
    known = (value(name), value(name, "h", "Acme Blue Desk"), desk())
    assert not check(form.format(name), known, CHAIR).supported
    assert check(form.format("Acme"), known, CHAIR).supported


TITLES = (
    "Desk which 900 shoppers returned yesterday", "Acme Desk, loved by 900 customers", "Desk that you returned",
    "The desk 4000 people bought", "Desk approved by doctors", "Bestseller desk",
)  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_a_title_that_claims_stands_between_marks(title):
    fact = Fact(kind="event", strength=0.9, evidence=(desk(title),))
    assert claims(title)
    for seed in range(9):
        for register in ("plain", "friendly", "brief"):
            out = told(fact, seed=seed, register=register)
            assert title in out.text.replace("“", "").replace("”", "")
            assert f"“{title}”" in out.text
            assert check(out.text, out.evidence, CHAIR).supported


@pytest.mark.parametrize("title", TITLES)
def test_the_words_of_a_title_that_claims_are_judged_unless_they_are_quoted(title):
    assert not check(f"Because you bought the {title}.", (desk(title),), CHAIR).supported
    assert check(f"Because you bought “{title}”.", (desk(title),), CHAIR).supported


def test_what_is_said_of_the_recommended_item_is_no_name_of_it():
    title = "Plover chair which 900 shoppers bought"
    assert not check("900 shoppers bought it.", (desk(),), title).supported
    assert not check("This chair is one which 900 shoppers bought.", (desk(),), title).supported
    assert check("You bought the blue desk, so this Plover chair might suit you.", (desk(),), title).supported


def test_the_words_before_a_claim_are_names():
    assert lent("Acme Desk which 900 shoppers chose", "en") == (("acm", "desk"),)
    assert lent("Acme bestseller desk", "en") == (("acm",), ("desk",))
    assert lent("Acme Desk", "en") == (("acm", "desk"),)


def test_german_names_are_read_in_german_and_english():
    assert claims("Tisch, den 900 Kunden gekauft haben", "de-AT")
    assert claims("Acme and 900 shoppers chose it", "de")
    assert not claims("Die Blaue Stunde", "de")
    assert not claims("Die Hard", "en")
