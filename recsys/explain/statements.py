"""For explainers that let a model put statements of the template into its own words: what it is told, what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from recsys.explain.check import check
from recsys.explain.clean import plain
from recsys.explain.template import Template
from recsys.explanation import Case, Evidence, Explanation

# Characters of a text that a model wrote, at most.
TEXT_CHARS = 600


def told(case: Case, template: Template, most: int) -> list[Explanation]:
    """Return what ``template`` says of each of the ``most`` strongest facts alone, the strongest first."""
    facts = sorted(case.facts, key=lambda fact: -fact.strength)
    alone = template.explain([replace(case, facts=(fact,)) for fact in facts])
    return [one for one in alone if one.text][:most]


def evidence_of(statements: Sequence[Explanation]) -> tuple[Evidence, ...]:
    """Return all that statements rest on, each once."""
    return tuple(dict.fromkeys(e for one in statements for e in one.evidence))


def line(text: str, cut: bool = False) -> str:
    """Return a model's text as one clean line; of one that was ``cut`` off, or is too long, whole sentences alone."""
    shown = plain(text, TEXT_CHARS)
    if not (cut or len(text) > TEXT_CHARS) or shown.endswith((".", "!", "?")):
        return shown
    return shown[: max(shown.rfind(mark) for mark in (". ", "! ", "? ")) + 1]


def reworded(case: Case, text: str, evidence: Sequence[Evidence], said: Explanation) -> Explanation:
    """Return the explanation with the evidence that its text needs, all of it where not every word of it holds.

    Args:
        case: what is explained. text: the model's words. evidence: all that they may rest on.
        said: the template's explanation, whose confidence it has.
    """
    again = partial(check, text, title=case.title, now=case.now, locale=case.locale, item_id=case.item_id)
    used = again(evidence).used
    if not used or not again(used).supported:
        used = tuple(evidence)
    drops = (f.causal_drop for f in case.facts if f.kind == "event" and f.evidence[0] in used)
    drop = next((d for d in drops if d is not None), None)
    return Explanation(text=text, kind="generated", evidence=used, confidence=said.confidence, causal_drop=drop)
