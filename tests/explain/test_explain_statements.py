"""What a model is told of a case, and what is made of its words."""

from __future__ import annotations

import pytest

from recsys.explain.statements import TEXT_CHARS, evidence_of, line, reworded, told
from recsys.explain.template import Template
from recsys.explanation import Case
from recsys.testing.kits.explainers import facts_about, id_of, now_of
from recsys.testing.worlds import small_shop

SHOP = small_shop()
CASE = Case(
    item_id=id_of(SHOP, 0), title=SHOP.items.titles[0], facts=tuple(facts_about(SHOP, 0)), now=now_of(SHOP)
)  # fmt: skip


def test_the_strongest_facts_are_told_each_alone():
    every, two = told(CASE, Template(), 10), told(CASE, Template(), 2)
    assert every[:2] == two
    assert len(every) > 2
    strongest = max(CASE.facts, key=lambda fact: fact.strength)
    assert two[0].evidence == tuple(e for e in strongest.evidence if e in two[0].evidence)
    assert len(set(evidence_of(every))) == len(evidence_of(every))


def test_what_was_said_has_the_evidence_that_it_needs():
    every, plain = told(CASE, Template(), 10), Template().explain([CASE])[0]
    said = reworded(CASE, every[0].text, evidence_of(every), plain)
    assert (said.kind, said.text, said.confidence) == ("generated", every[0].text, plain.confidence)
    assert set(said.evidence) <= set(every[0].evidence)
    assert set(reworded(CASE, "It is the best in Europe.", evidence_of(every), plain).evidence) == {
        e for one in every for e in one.evidence
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [("One. Two. Thr", "One. Two."), ("One. Two.", "One. Two."), ("One sentence.", "One sentence."), ("Thr", "")],
)  # fmt: skip
def test_of_a_text_that_was_cut_whole_sentences_are_shown(text, shown):
    assert line(text, cut=True) == shown
    assert line(text) == text


def test_a_text_that_is_too_long_ends_with_a_sentence():
    shown = line("And so on, and so on. " * 1_000)
    assert len(shown) <= TEXT_CHARS
    assert shown.endswith("on.")
