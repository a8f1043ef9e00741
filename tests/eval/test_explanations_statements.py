from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from recsys.dataset import Dataset
from recsys.eval.explanations_statements import Ledger, Shown, Statement, statement_figures
from recsys.explanation import Evidence
from recsys.types import Event, Item, Review

BORN = 1_700_000_000
ITEMS = [
    Item(item_id="pan", title="Iron Pan", brand="Acme", categories=("Kitchen", "Pans"),
         created=datetime.fromtimestamp(BORN, UTC), attributes={"colour": ("black", "red"), "oven": True}),
    Item(item_id="cup", title="Tin Cup", brand="Bolt"),
]  # fmt: skip
EVENTS = [Event(user_id=f"u{i}", item_id="pan", kind="purchase", time=BORN + i) for i in range(12)]
REVIEWS = [Review(user_id="u1", item_id="pan", text="A sturdy pan.", review_id="r1", time=BORN)]
DATA = Dataset.of(ITEMS, EVENTS, REVIEWS)


def said(kind: str, item_id: str = "pan", **more) -> Evidence:
    return Evidence(kind=kind, item_id=item_id, **more)


TRUE = [
    said("event", event_kind="purchase", time=BORN + 3), said("event", event_kind="purchase"),
    said("attribute", field="brand", value="acme"), said("attribute", field="category", value="Pans"),
    said("attribute", field="colour", value="Red"), said("attribute", field="oven", value="yes"),
    said("review", review_id="r1", start=2, end=8, quote="sturdy"),
    said("query", field="title", value="panns", quote="Pan"),
    said("popularity", count=10), said("novelty", time=BORN),
]  # fmt: skip
FALSE = [
    said("event", event_kind="purchase", time=BORN + 4), said("event", event_kind="view"),
    said("event", "cup", event_kind="purchase"), said("event", "lid", event_kind="purchase"),
    said("attribute", field="brand", value="Bolt"), said("attribute", field="category", value="Acme"),
    said("attribute", field="colour", value="blue"), said("attribute", field="material", value="red"),
    said("review", review_id="r1", start=2, end=8, quote="flimsy"),
    said("review", "cup", review_id="r1", start=2, end=8, quote="sturdy"),
    said("review", review_id="r2", start=2, end=8, quote="sturdy"),
    said("query", field="title", value="kettle"), said("popularity", count=20), said("popularity", count=0),
    said("novelty", time=BORN + 1),
]  # fmt: skip


@pytest.mark.parametrize("evidence", TRUE, ids=lambda e: e.kind)
def test_what_the_records_say_holds(evidence):
    assert Ledger(DATA).holds("u3", evidence, "iron panns")


@pytest.mark.parametrize("evidence", FALSE, ids=lambda e: e.kind)
def test_what_they_do_not_say_does_not(evidence):
    assert not Ledger(DATA).holds("u3", evidence, "iron panns")


def test_a_shoppers_own_review_is_no_evidence_for_them():
    assert not Ledger(DATA).holds("u1", TRUE[6])


def test_a_stranger_did_nothing():
    assert not Ledger(DATA).holds("nobody", TRUE[0])


def test_a_query_word_needs_a_query():
    assert not Ledger(DATA).holds("u3", TRUE[7])


def test_figures():
    def split(shown):
        return [Statement(part, part != "unsupported", shown.evidence) for part in shown.text.split(". ")]

    shown = [
        Shown("u3", "true. true. unsupported", TRUE[:3]), Shown("u3", "lie", FALSE[:1]), Shown("u3", "", ()),
        Shown("u3", "true", ()),
    ]  # fmt: skip
    out = statement_figures(DATA, shown, split)
    assert (out.texts, out.coverage, out.claims_per_text) == (3, 0.75, pytest.approx(5 / 3, abs=1e-4))
    assert (out.statement_precision, out.supported, out.true) == (0.4, 0.8, 0.6)  # what rests on nothing is not true


def test_nothing_said_nothing_measured():
    out = statement_figures(DATA, [Shown("u3", "", ())], lambda shown: [])
    assert (out.statement_precision, out.claims_per_text, out.texts, out.coverage) == (0, 0, 0, 0)


def test_the_checker_takes_texts_apart():
    bought = said("event", title="Iron Pan", event_kind="purchase", time=BORN + 3)
    brand = said("attribute", "cup", title="Tin Cup", field="brand", value="Bolt")
    shown = Shown("u3", "You bought the Iron Pan. It is made by Bolt.", [bought, brand], "Tin Cup", BORN + 99)
    out = statement_figures(DATA, [shown])
    assert (out.statement_precision, out.claims_per_text) == (1, 2)
    lie = shown._replace(text="You bought the Iron Pan. It is made by Acme.")
    assert statement_figures(DATA, [lie]).statement_precision == 0.5
    forged = lie._replace(evidence=[bought, replace(brand, value="Acme")])
    assert statement_figures(DATA, [forged]).supported == 1
    assert statement_figures(DATA, [forged]).statement_precision == 0.5
