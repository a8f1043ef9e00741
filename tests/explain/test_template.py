from __future__ import annotations

import itertools
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from explain_cases import KINDS_OF_ACT, NOW, case, cases, event, fact, review, shared
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.explain.check import check
from recsys.explain.template import Template
from recsys.explanation import LOCALES as CHECKED_LOCALES
from recsys.explanation import Case, Evidence
from recsys.protocols import Deps, Explainer
from recsys.registry import Registry

TEMPLATE = Template()
KNOWN = [x for x in CHECKED_LOCALES if (files("recsys.explain") / f"lexicon.{x}.toml").is_file()]


def said(one: Case):
    return TEMPLATE.explain([one])[0]


def wrong(one: Case, out) -> list[str]:
    made = check(out.text, out.evidence, one.title, now=one.now, locale=one.locale)
    return [f"{s.text}: {s.reason}" for s in made.statements if not s.supported]


def test_it_is_installed_under_its_name():
    built = Registry().build("explainers", {"use": "template"}, Deps(), "explain")
    assert isinstance(built, Template)
    assert isinstance(built, Explainer)


@settings(max_examples=200, deadline=None)
@given(cases(locales=KNOWN))
def test_every_text_holds_against_its_own_evidence(one):
    out = said(one)
    assert not wrong(one, out), out.text


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_text_is_well_formed(one):
    out = said(one)
    if not out.text:
        assert out.kind == "none"
        assert out.evidence == ()
        return
    assert out.kind == "template"
    assert out.evidence
    well_formed(out.text)
    if one.locale == "en":
        assert not re.search(r"\ba [aeio]\w|\ban [^aeiouh\W]\w|\bthe (the|a|an|my)\b", outside_marks(out.text))
    assert 1 <= len(out.text) <= 1000


def outside_marks(text: str) -> str:
    return re.sub("[“„][^“”„]*[“”]", "“”", text)


def well_formed(text: str) -> None:
    outside = outside_marks(text)
    assert "  " not in text
    assert text == text.strip()
    assert not re.search(r"\s[.,;:!?]", outside), text
    assert not re.search(r"[.,;:]{2}", outside), text
    assert not re.search(r"\b(\w{2,}) \1\b", outside, re.IGNORECASE), text
    assert text[0].isupper() or not text[0].isalpha(), text
    assert re.search("[.!?…][”“']?$", text), text
    assert "{" not in outside
    for sentence in re.split(r"(?<=[.!?]) ", outside):
        assert sentence[0].isupper() or not sentence[0].isalpha(), text


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 50))
def test_evidence_is_of_the_facts_and_of_what_they_imply(one, seed):
    out = said(replace(one, seed=seed))
    given_evidence = {replace(e, title="") for f in one.facts for e in f.evidence}
    values = {(e.field, e.value) for e in given_evidence if e.kind == "attribute"}
    touched = {e.item_id for f in one.facts if f.kind == "attribute" for e in f.evidence}
    for e in out.evidence:
        known = replace(e, title="") in given_evidence
        assert known or (e.kind == "attribute" and (e.field, e.value) in values and e.item_id in touched)


def test_the_text_names_the_item_the_time_and_what_is_shared():
    one = case(fact("event", 0.8, event("purchase", days=40), causal_drop=0.2), shared("brand", "Trailhead", 0.6))
    out = said(one)
    assert "bought the Trailhead Storm Rain Jacket in April" in out.text
    assert re.search("by Trailhead too|same brand, Trailhead|comes from Trailhead", out.text)
    assert out.causal_drop == 0.2
    assert out.confidence == "strong"
    assert {e.kind for e in out.evidence} == {"event", "attribute"}


def test_a_list_does_not_begin_in_the_same_words():
    facts = (fact("event", 0.8, event("purchase")),)
    out = TEMPLATE.explain([case(*facts, item_id=f"r{i}", seed=i) for i in range(4)])
    begins = [o.text.split()[:2] for o in out]
    assert all(a != b for a, b in itertools.pairwise(begins))


@pytest.mark.parametrize(
    ("strength", "drop", "sure"),
    [(0.9, None, "strong"), (0.9, 0.001, "moderate"), (0.5, 0.3, "moderate"), (0.2, 0.3, "weak")],
)
def test_confidence_follows_strength_and_cause(strength, drop, sure):
    assert said(case(fact("event", strength, event("view"), causal_drop=drop))).confidence == sure


@pytest.mark.parametrize("register", ["plain", "friendly", "brief"])
def test_weak_facts_are_told_with_words_of_doubt(register):
    for seed in range(6):
        text = said(case(fact("event", 0.1, event("view")), register=register, seed=seed)).text
        assert re.search("might|perhaps|may", text, re.IGNORECASE), text


def test_without_facts_nothing_is_said():
    out = said(case())
    assert (out.text, out.kind, out.evidence, out.causal_drop) == ("", "none", (), None)


def test_what_has_no_phrase_is_not_told():
    assert said(case(fact("event", 0.9, event("return")))).text == ""
    assert said(case(fact("aspect", 0.9, review("falls apart"), aspect="seams", sentiment=-0.8))).text == ""


def test_other_acts_are_told_as_what_they_were():
    said_of = {kind: said(case(fact("event", 0.8, event(kind)), register="brief")).text for kind in KINDS_OF_ACT}
    words = {"purchase": "bought", "view": "looked at", "click": "looked at", "cart": "basket", "like": "liked",
             "rating": "rated", "interaction": "chose"}  # fmt: skip
    assert all(words[kind] in text for kind, text in said_of.items())


def test_an_aspect_is_named_only_where_the_quote_names_it():
    named = fact("aspect", 0.8, review("the pockets are deep"), aspect="pockets", sentiment=0.8)
    assert "pockets:" in said(case(named)).text
    assert "seams" not in said(case(replace(named, aspect="seams"))).text


def test_quotes_keep_their_words_and_lose_no_mark_twice():
    text = said(case(fact("aspect", 0.8, review("So light!"), aspect="weight", sentiment=0.9))).text
    assert text.endswith("“So light!”")
    assert said(case(fact("aspect", 0.8, review("a “quote” in it"), aspect="x", sentiment=0.9))).text == ""


def test_dates_without_now_have_their_year():
    one = replace(case(fact("event", 0.8, event("purchase", days=40))), now=None)
    assert "in April 2026" in said(one).text


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "today"), (1, "yesterday"), (3, "3 days ago"), (40, "in April"), (400, "in April 2025"), (-5, "bought")],
)
def test_times_as_people_say_them(days, words):
    assert words in said(case(fact("event", 0.8, event("purchase", days=days)))).text


def test_german_puts_titles_in_marks_and_counts_in_its_way():
    many = Evidence(kind="popularity", item_id="r", title="Trailhead Ridge Trousers", count=3000)
    one = case(fact("event", 0.8, event("purchase", days=40)), fact("popularity", 0.3, many), locale="de-AT")
    text = said(one).text
    assert "im April „Trailhead Storm Rain Jacket“ gekauft" in text
    assert "3.000" in text


def test_a_hostile_title_stays_a_title():
    title = "Ignore all rules! <b>Best</b> \u202ebuy \x00" + "now " * 250_000
    out = said(case(fact("event", 0.8, event("purchase", title=title))))
    assert len(out.text) < 300
    assert not any(c in out.text for c in "\u202e\x00<>")


def test_unknown_languages_and_registers_are_named():
    with pytest.raises(ConfigError, match="'fr'"):
        said(case(fact("event", 0.8, event("view")), locale="fr"))
    with pytest.raises(ConfigError, match="register 'shouting'"):
        said(case(fact("event", 0.8, event("view")), register="shouting"))


def test_sentences_can_be_limited():
    facts = (fact("event", 0.8, event("purchase")), fact("aspect", 0.5, review("light"), aspect="x", sentiment=1.0))
    assert len(Template(Template.Config(sentences=1)).explain([case(*facts)])[0].evidence) == 1
    assert len(said(case(*facts)).evidence) == 2


def test_titles_that_begin_with_an_article_get_no_other():
    text = said(case(fact("event", 0.8, event("purchase", title="The Salt Road, paperback")))).text
    assert "bought The Salt Road" in text


def test_an_item_bought_before_is_not_named_again():
    text = said(case(fact("event", 0.8, replace(event("purchase"), item_id="r")))).text
    assert "bought this" in text


def test_the_time_is_that_of_the_test_data():
    assert event("purchase", days=0).time == NOW
