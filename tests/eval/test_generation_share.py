"""The three figures of generated reasons, on generators whose faults are known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recsys.errors import DataError
from recsys.eval.generation_share import facts_of, generation_figures, ngrams, summary, swapped
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence, Explanation, Fact

NOW = 1_779_400_000
PLAIN = Template()


def case(item: str, bought: str) -> Case:
    did = Evidence(kind="event", item_id=f"h-{bought}", title=bought, event_kind="purchase", time=NOW - 86_400 * 40)
    brand = Evidence(kind="attribute", item_id=item, title=item, field="brand", value=bought.split()[0])
    facts = (
        Fact(kind="event", strength=0.9, evidence=(did,), causal_drop=0.1),
        Fact(kind="attribute", strength=0.5, evidence=(brand, did)),
    )
    return Case(item_id=item, title=f"The {item}", facts=facts, now=NOW, user="ann")


CASES = [case("Lamp", "Acme Kettle"), case("Chair", "Birch Bowl"), case("Desk", "Cedar Box"), case("Rug", "Dune Mat")]


class Saying:
    """Says ``text`` with the title of the first evidence in it; of items in ``silent`` the template speaks."""

    def __init__(self, text: str, silent: Sequence[str] = ()) -> None:
        self.text, self.silent = text, silent

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        return [
            plain if c.item_id in self.silent else Explanation(
                text=self.text.replace("[SEEN]", c.facts[0].evidence[0].title), kind="generated",
                evidence=c.facts[0].evidence,
            )
            for c, plain in zip(cases, PLAIN.explain(cases), strict=True)
        ]  # fmt: skip

    def wordings(self, cases: Sequence[Case]) -> list[str]:
        return [self.text for _ in cases]


class Parrot(Saying):
    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        return [Explanation(text=one.text, kind="generated", evidence=one.evidence) for one in PLAIN.explain(cases)]


def test_new_words_that_follow_the_facts() -> None:
    found = generation_figures(CASES, Saying("Of all your orders [SEEN] has led us straight to this."), PLAIN)
    assert (found.n, found.shown, found.swap_changes) == (4, 1.0, 1.0)
    assert found.new_ngrams == 1.0
    # The wording itself is always the same one.
    assert (found.swap_rewords, found.wordings) == (0.0, 0.25)


def test_who_repeats_the_template_says_nothing_new() -> None:
    found = generation_figures(CASES, Parrot(""), PLAIN)
    assert (found.shown, found.new_ngrams, found.swap_changes) == (1.0, 0.0, 1.0)


def test_who_ignores_the_facts_does_not_change_with_them() -> None:
    found = generation_figures(CASES, Saying("This may be just the thing for you."), PLAIN)
    assert (found.shown, found.swap_changes) == (1.0, 0.0)


def test_what_the_template_says_is_not_shown_as_generated() -> None:
    explainer = Saying("Of all your orders [SEEN] has led us straight to this.", silent=["Lamp", "Desk", "Rug"])
    found = generation_figures([*CASES, Case(item_id="x", title="Nothing to say")], explainer, PLAIN)
    assert (found.n, found.shown, found.wordings) == (4, 0.25, 1.0)
    assert found.to_dict()["shown"] == 0.25


def test_swapped_facts_are_about_the_item_itself() -> None:
    moved = swapped(CASES[0], CASES[1])
    assert (moved.item_id, moved.title) == ("Lamp", "The Lamp")
    assert {e.item_id for f in moved.facts for e in f.evidence} == {"Lamp", "h-Birch Bowl"}
    assert PLAIN.explain([moved])[0].text
    assert facts_of(moved) != facts_of(CASES[0])
    assert facts_of(swapped(CASES[0], CASES[0])) == facts_of(
        swapped(CASES[0], Case(item_id="Lamp", title="", facts=CASES[0].facts))
    )


def test_runs_of_words_leave_marks_and_case_out() -> None:
    assert ngrams("You bought: the Lamp, it's 5!", 3)[:2] == [("you", "bought", "the"), ("bought", "the", "lamp")]
    assert ngrams("too short") == []


def test_two_cases_are_needed() -> None:
    with pytest.raises(DataError):
        generation_figures(CASES[:1], Parrot(""), PLAIN)


def test_the_line_for_people_says_why_the_template_spoke() -> None:
    found = generation_figures(CASES, Parrot(""), PLAIN)
    line = summary(found, {"generated": 3, "unsupported": 1})
    assert "100.0% of 4" in line
    assert line.endswith("the template spoke: unsupported 1")
