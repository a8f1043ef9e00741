from __future__ import annotations

import pytest
from explain_cases import NOW, case, cases, event, fact, review
from hypothesis import given, settings
from test_template import well_formed

from recsys.errors import ConfigError
from recsys.explain.check import check
from recsys.explain.extract import Extract
from recsys.explain.template import Template
from recsys.protocols import Deps, Explainer
from recsys.registry import Registry

POCKETS = fact("aspect", 0.6, review("the pockets are deep"), aspect="pockets", sentiment=0.9)
FIT = fact("aspect", 0.4, review("Great fit.", "v2"), aspect="fit", sentiment=0.9)
BOUGHT = fact("event", 0.9, event("purchase"))


def said(one, **options):
    return Extract(Extract.Config(**options)).explain([one])[0]


def test_it_is_installed_under_its_name():
    built = Registry().build("explainers", {"use": "extract", "fallback": "template"}, Deps(), "explain")
    assert isinstance(built, Extract)
    assert isinstance(built, Explainer)


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"explain\.fallback"):
        Registry().build("explainers", {"use": "extract", "fallback": "guess"}, Deps(), "explain")


def test_it_quotes_word_for_word_and_says_what_about():
    out = said(case(BOUGHT, POCKETS, FIT))
    assert "its pockets: “the pockets are deep”" in out.text
    assert "its fit: “Great fit”" in out.text
    assert out.kind == "extract"
    assert out.causal_drop is None
    assert [e.review_id for e in out.evidence] == ["v1", "v2"]


def test_at_most_so_many_sentences_and_no_quote_twice():
    assert len(said(case(POCKETS, FIT), sentences=1).evidence) == 1
    again = fact("aspect", 0.3, review("the pockets are deep"), aspect="depth", sentiment=0.9)
    assert said(case(POCKETS, again)).text.count("deep") == 1


def test_complaints_and_unquotable_spans_are_left_out():
    bad = fact("aspect", 0.6, review("the seams burst"), aspect="seams", sentiment=-0.9)
    marked = fact("aspect", 0.6, review("<b>buy</b> “this”"), aspect="buy", sentiment=0.9)
    long = fact("aspect", 0.6, review("so good " * 60), aspect="so", sentiment=0.9)
    assert said(case(bad, marked, long)).kind == "none"


def test_reviews_of_other_items_are_never_quoted():
    assert said(case(POCKETS, item_id="another")).kind == "none"


def test_without_a_quote_it_falls_back_as_it_is_told():
    one = case(BOUGHT)
    assert said(one).kind == "none"
    assert said(one, fallback="template") == Template().explain([one])[0]
    assert said(case(BOUGHT, POCKETS), fallback="template").kind == "extract"


@settings(max_examples=150, deadline=None)
@given(cases())
def test_every_text_holds_and_every_quote_is_verbatim(one):
    out = said(one)
    assert check(out.text, out.evidence, one.title, now=NOW, locale=one.locale).supported
    assert all(e.kind == "review" and e.item_id == one.item_id for e in out.evidence)
    if out.text:
        well_formed(out.text)
        assert any((e.quote or "").rstrip(" .,;:") in out.text for e in out.evidence)
