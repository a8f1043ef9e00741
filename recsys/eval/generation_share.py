"""Generated reasons beside the template's: how many are shown, how much of their wording is new, what facts change.

Three figures of one sample of cases. A generator that repeats the template says nothing new; one that ignores its facts
says the same of everything; and what the checker throws out nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from recsys.errors import DataError
from recsys.explanation import Case, Evidence, Explanation, Fact

N = 4
_WORD = re.compile(r"[^\W_]+")


class Generator(Protocol):
    """An explainer whose wordings can be seen before names fill their slots: `recsys.explain.generate.Generate`."""

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case."""
        ...

    def wordings(self, cases: Sequence[Case]) -> list[str]:
        """Return what is said of each case, slots not filled."""
        ...


class Plain(Protocol):
    """The template."""

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationFigures:
    """What was found.

    Attributes:
        n: cases of which something can be said.
        shown: the share of them whose text is shown as generated, nothing taken out of it; the template speaks for the
            rest.
        new_ngrams: of all runs of four words of the generated texts, names and quotes included, the share that no
            text of the template about the same cases holds.
        swap_changes: the share of generated texts that change when the case gets the facts of another one.
        swap_rewords: the same before names fill the slots: changes in the words themselves, beside which another name
            alone counts for nothing.
        wordings: different texts with slots over all of them.
    """

    n: int
    shown: float
    new_ngrams: float
    swap_changes: float
    swap_rewords: float
    wordings: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures, rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def generation_figures(cases: Sequence[Case], explainer: Generator, plain: Plain) -> GenerationFigures:
    """Measure an explainer on cases.

    Args:
        cases: of real lists, in the explainer's language.
        explainer: what is measured. plain: the template.

    Raises:
        DataError: the template has something to say of fewer than two of the cases.
    """
    spoken = [(case, one) for case, one in zip(cases, plain.explain(cases), strict=True) if one.text]
    if len(spoken) < 2:
        raise DataError("too few cases with facts: there must be two at least")
    chosen = [case for case, _ in spoken]
    said, words = explainer.explain(chosen), explainer.wordings(chosen)
    places = [i for i, one in enumerate(said) if one.kind == "generated"]
    known = {gram for _, one in spoken for gram in ngrams(one.text)}
    grams = [gram for i in places for gram in ngrams(said[i].text)]
    others = [swapped(case, chosen[(i + len(chosen) // 2) % len(chosen)]) for i, case in enumerate(chosen)]
    said_then, words_then = explainer.explain(others), explainer.wordings(others)
    # Two cases may have the same facts in them: there is nothing to swap then.
    moved = [i for i in places if facts_of(chosen[i]) != facts_of(others[i])]
    return GenerationFigures(
        n=len(chosen),
        shown=len(places) / len(chosen),
        new_ngrams=_share(gram not in known for gram in grams),
        swap_changes=_share(said[i].text != said_then[i].text for i in moved),
        swap_rewords=_share(words[i] != words_then[i] for i in moved),
        wordings=len({words[i] for i in places}) / max(1, len(places)),
    )


def ngrams(text: str, n: int = N) -> list[tuple[str, ...]]:
    """Return the runs of ``n`` words of a text, marks and case left out."""
    words = _WORD.findall(text.casefold())
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def swapped(case: Case, other: Case) -> Case:
    """Return a case with the facts of another, as if they were about its own item."""

    def moved(e: Evidence) -> Evidence:
        return replace(e, item_id=case.item_id, title=case.title) if e.item_id == other.item_id else e

    return replace(
        case, facts=tuple(replace(f, evidence=tuple(map(moved, f.evidence))) for f in other.facts), query=other.query
    )


def facts_of(case: Case) -> tuple[Fact, ...]:
    """Return what a text may rest on, whoever else it is true of: strengths and shares left out."""
    return tuple(replace(f, strength=0.0, shares={}, causal_drop=None) for f in case.facts)


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found) if found else 0.0


def summary(figures: GenerationFigures, counts: Mapping[str, int]) -> str:
    """Return one line for people: the three figures, and why the template spoke."""
    why = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "generated")
    line = (
        f"shown as generated {figures.shown:.1%} of {figures.n}, new runs of four words {figures.new_ngrams:.1%}, "
        f"other facts change {figures.swap_changes:.1%} of texts and the wording of {figures.swap_rewords:.1%}"
    )
    return f"{line}; the template spoke: {why}" if why else line
