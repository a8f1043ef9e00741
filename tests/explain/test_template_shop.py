"""Texts about the sample shop's own facts: they hold, they vary, and they are quick to write."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from test_template import TEMPLATE, well_formed, wrong

from recsys.aspects.reviews import ReviewIndex
from recsys.aspects.source import AspectSource
from recsys.candidates.aspects import Aspects
from recsys.candidates.attributes import Attributes
from recsys.candidates.transitions import Transitions
from recsys.data.shop.shop import make_shop
from recsys.explain.facts import FactBook, shoppers_per_item
from recsys.explain.facts_settings import FactSettings
from recsys.explanation import Case
from recsys.protocols import FitOptions
from recsys.testing.worlds import requests_of

LISTS, LENGTH = 50, 6


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    data = make_shop(0, 400).dataset
    generators = {
        "transitions": Transitions().fit(data, FitOptions()),
        "attributes": Attributes().fit(data, FitOptions()),
    }
    counts = shoppers_per_item(data.log, len(data.items))
    book = FactBook.of(data.items, generators, {}, 1.0, counts, FactSettings(k_anonymity=3))
    table = Aspects().fit(data, FitOptions()).table
    aspects = AspectSource(table, ReviewIndex(table.lexicon, data.reviews, data.items))
    requests = [r for r in requests_of(data) if len(r.history) > 3][:LISTS]
    slates = generators["transitions"].generate(requests, LENGTH)
    facts = book.collect(requests, slates, aspects=aspects)
    ids = data.items.vocabulary.ids(slates.items)
    return [
        Case(item_id=str(item), title=book.title(row), facts=tuple(found), user=requests[owner].user, seed=place,
             now=requests[owner].now)
        for place, (item, row, owner, found) in enumerate(
            zip(ids, slates.items.tolist(), slates.request_index.tolist(), facts, strict=True))
    ]  # fmt: skip


def told(cases, locale, register):
    asked = [replace(c, locale=locale, register=register) for c in cases]
    return [(c, o) for c, o in zip(asked, TEMPLATE.explain(asked), strict=True) if o.text]


def test_the_facts_are_of_all_kinds(cases):
    assert {f.kind for c in cases for f in c.facts} >= {"event", "attribute", "aspect", "popularity"}
    assert len(cases) == LISTS * LENGTH


@pytest.mark.parametrize(("locale", "register"), [*itertools.product(["en", "de"], ["plain", "friendly", "brief"])])
def test_texts_hold_and_vary(cases, locale, register):
    said = told(cases, locale, register)
    assert len(said) > 0.95 * len(cases)
    bad = [f"{o.text}: {why}" for c, o in said for why in wrong(c, o)]
    assert bad == []
    for _, one in said:
        well_formed(one.text)
    assert len({one.text for _, one in said}) / len(said) > (0.7 if register == "brief" else 0.9)


def test_neighbours_begin_in_other_words(cases):
    begins = [" ".join(one.text.split()[:2]) for _, one in told(cases, "en", "plain")]
    assert np.mean([a == b for a, b in itertools.pairwise(begins)]) < 0.1


def test_a_text_costs_little(cases):
    TEMPLATE.explain(cases)
    begin = time.perf_counter()
    TEMPLATE.explain(cases)
    assert (time.perf_counter() - begin) / len(cases) < 0.005  # 0.1 ms where nothing else runs
