from __future__ import annotations

from dataclasses import replace

import pytest
from explain_cases import NOW, TITLE, case, cases, event, fact, review, shared
from hypothesis import given, settings
from hypothesis import strategies as st
from test_template import well_formed

from recsys.explain.check import check
from recsys.explain.repair import repaired
from recsys.explain.template import Template
from recsys.explanation import Evidence, Explanation

TEMPLATE = Template()
BOUGHT = event("purchase", days=40)
POCKETS = review("the pockets are deep")
MANY = Evidence(kind="popularity", item_id="r", title=TITLE, count=40)
BRAND = Evidence(kind="attribute", item_id="r", title=TITLE, field="brand", value="Trailhead")
EVERYTHING = (BOUGHT, POCKETS, MANY, BRAND)


def mend(text: str, *more, evidence=EVERYTHING, drop: float | None = 0.3, locale: str = "en") -> Explanation:
    said = Explanation(text=text, kind="generated", evidence=evidence, causal_drop=drop, confidence="moderate")
    return repaired(said, check(text, evidence, TITLE, now=NOW, locale=locale), *more)


def test_a_supported_text_stays_as_it_is():
    said = Explanation(text="You bought the Storm Rain Jacket in April.", kind="generated", evidence=(BOUGHT,))
    assert repaired(said, check(said.text, said.evidence, TITLE, now=NOW)) is said


def test_a_wrong_sentence_goes_and_the_others_stay_whole():
    out = mend("You bought the Storm Rain Jacket in April. It is fully waterproof. At least 40 shoppers chose it.")
    assert out.text == "You bought the Storm Rain Jacket in April. At least 40 shoppers chose it."
    assert out.removed == ("It is fully waterproof.",)
    assert set(out.evidence) == {BOUGHT, MANY}
    assert (out.kind, out.causal_drop, out.confidence) == ("generated", 0.3, "moderate")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("You bought the Storm Rain Jacket in April, and it is dry.", "You bought the Storm Rain Jacket in April."),
        ("It is waterproof, and at least 40 shoppers chose it.", "At least 40 shoppers chose it."),
        ("It is waterproof; you bought the Storm Rain Jacket in April.", "You bought the Storm Rain Jacket in April."),
        ("It is waterproof, but you bought the Storm Rain Jacket, and it costs 3 euros.",
         "You bought the Storm Rain Jacket."),
        ("It is waterproof, because you bought the Storm Rain Jacket in April.",
         "You bought the Storm Rain Jacket in April."),
    ],
)  # fmt: skip
def test_clauses_that_stand_alone_are_kept_without_their_connectives(text, left):
    assert mend(text).text == left


@pytest.mark.parametrize(
    "text",
    [
        "It was not only chosen by at least 40 shoppers, but also it is waterproof.",
        "While at least 40 shoppers chose it, and it is waterproof.",
    ],
)
def test_what_would_be_left_unfinished_goes_as_a_whole(text):
    assert mend(text).text == ""


def test_nothing_is_left_of_a_text_without_a_true_claim():
    out = mend("It is waterproof. A great find!")
    assert (out.text, out.kind, out.evidence, out.causal_drop, out.confidence) == ("", "none", (), None, "weak")
    assert "It is waterproof." in out.removed


def test_a_text_that_claims_nothing_is_no_reason():
    assert mend("A great find for you!").kind == "none"


def test_the_drop_goes_with_the_event():
    out = mend("You sold the Storm Rain Jacket. At least 40 shoppers chose it.", drop=0.3)
    if BOUGHT not in out.evidence:
        assert out.causal_drop is None


def test_facts_that_are_not_told_any_more_are_told_by_the_explainer():
    one = case(
        fact("event", 0.8, BOUGHT, causal_drop=0.3), fact("aspect", 0.5, POCKETS, aspect="pockets", sentiment=1.0)
    )
    out = mend("It is waterproof. You bought the Storm Rain Jacket in April.", one, TEMPLATE)
    assert out.text.startswith("You bought the Storm Rain Jacket in April. ")
    assert "“the pockets are deep”" in out.text
    assert set(out.evidence) == {BOUGHT, POCKETS}
    assert out.removed == ("It is waterproof.",)


def test_a_text_that_is_all_wrong_is_replaced():
    one = case(fact("event", 0.8, BOUGHT, causal_drop=0.3), shared("brand", "Trailhead", 0.4))
    out = mend("It is waterproof.", one, TEMPLATE)
    assert out.kind == "template"
    assert out.causal_drop == 0.3
    assert out.removed == ("It is waterproof.",)
    assert check(out.text, out.evidence, TITLE, now=NOW).supported


def test_german_clauses():
    out = mend("Das ist wasserdicht, und Sie haben im April „Trailhead Storm Rain Jacket“ gekauft.", locale="de")
    assert out.text == "Sie haben im April „Trailhead Storm Rain Jacket“ gekauft."


WRONG = ("It is foldable.", "Over 990,000 shoppers chose it.", "You returned the lamp in 2011.", "Hurry, it is cheap!")


@settings(max_examples=80, deadline=None)
@given(cases(locales=["en"]), st.lists(st.sampled_from(WRONG), max_size=2), st.integers(0, 3), st.booleans())
def test_what_is_left_holds_and_reads_well(one, wrong, place, refill):
    said = TEMPLATE.explain([one])[0]
    sentences = [said.text] if said.text else []
    text = " ".join([*wrong[:place], *sentences, *wrong[place:]])
    mixed = replace(said, text=text, kind="generated" if text else "none")
    made = check(text, said.evidence, one.title, now=one.now)
    out = repaired(mixed, made, *((one, TEMPLATE) if refill else ()))
    again = check(out.text, out.evidence, one.title, now=one.now)
    assert again.supported
    assert bool(out.text) == (out.kind != "none") == bool(again.claims)
    assert {s.text for s in made.statements if not s.supported} <= set(out.removed)
    if out.text:
        well_formed(out.text)
        assert not any(w in out.text for w in wrong)
