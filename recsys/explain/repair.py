"""Takes out of a text what the checker does not support, and leaves whole sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from recsys.explain.check import Checked, Statement, check
from recsys.explain.wording import Clauses
from recsys.explain.wording_parts import capital, ended
from recsys.explain.wording_read import phrases
from recsys.explanation import Case, Evidence, Explanation, Fact

_MARKS = ".!?…"
_CLOSERS = "\"”“’»')"
_ROUNDS = 3  # a clause that lost its neighbour may mean something else: what is left is checked anew


def repaired(said: Explanation, made: Checked, case: Case | None = None, explainer: Any = None) -> Explanation:
    """Return an explanation whose every statement is supported, of whole sentences; kind "none" when no claim is left.

    Args:
        said: what was said, with the evidence that ``made`` was checked against.
        made: the check of ``said.text``.
        case: what the text is about; with an ``explainer``, facts that are not told any more are told in its words.
        explainer: a `recsys.protocols.Explainer` whose texts hold, such as the template.
    """
    if not said.text or (made.supported and made.claims):
        return said
    text, removed, last = _without_wrong(made)
    out = replace(said, text=text, removed=(*said.removed, *removed))
    out = _resting(out, last) if text and last is not None else Explanation(removed=out.removed)
    if case is None or explainer is None:
        return out
    return _completed(out, made, case, explainer)


def _without_wrong(made: Checked) -> tuple[str, list[str], Checked | None]:
    """Return the text that is left, what was taken out, and the check of the text."""
    removed: list[str] = []
    for _ in range(_ROUNDS):
        text, gone = _kept(made)
        removed += gone
        if not text:
            return "", removed, None
        made = _again(made, text, made.evidence)
        if made.supported:
            if made.claims:
                return text, removed, made
            break
    return "", removed + [s.text for s in made.statements], None


def _again(made: Checked, text: str, evidence: Sequence[Evidence]) -> Checked:
    return check(text, evidence, made.title, now=made.now, locale=made.locale, item_id=made.item_id)


def _kept(made: Checked) -> tuple[str, list[str]]:
    clauses = phrases(made.locale)["plain"].clauses
    kept, gone = [], []
    for sentence in _sentences(made.statements):
        if all(s.supported for s in sentence):
            kept.append(made.text[sentence[0].start : sentence[-1].end])
            continue
        text, used = _rest(made.text, sentence, clauses)
        if text:
            kept.append(text)
        gone += [s.text for s in sentence if s not in used]
    return " ".join(kept), gone


def _sentences(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    one: list[Statement] = []
    for statement in statements:
        one.append(statement)
        if statement.text.rstrip(_CLOSERS)[-1:] in _MARKS:
            yield one
            one = []
    if one:
        yield one


def _rest(text: str, sentence: Sequence[Statement], clauses: Clauses) -> tuple[str, list[Statement]]:
    """Return a sentence made of the supported clauses that can stand together, and these clauses."""
    run = _run(sentence)
    if not run:
        return "", []
    body = text[run[0].start : run[-1].end].strip().rstrip(",;:—–- ")
    if run[0] is not sentence[0]:
        body = _opened(body, clauses)
    if not body or _unfinished(body, clauses):
        return "", []
    if body.rstrip(_CLOSERS)[-1:] not in _MARKS:
        body += "."
    return ended(capital(body)), run


def _run(sentence: Sequence[Statement]) -> list[Statement]:
    """Return the first longest row of supported statements that claims something."""
    best: list[Statement] = []
    row: list[Statement] = []
    for statement in (*sentence, None):
        if statement is not None and statement.supported:
            row.append(statement)
            continue
        if len(row) > len(best) and any(s.kind != "filler" for s in row):
            best = row
        row = []
    return best


def _opened(body: str, clauses: Clauses) -> str:
    """Return a clause without the connective that it begins with; "" where it does not stand alone."""
    words = body.split()
    while words and words[0].casefold().strip(",") in clauses.joins:
        words = words[1:]
    if words and words[0].casefold().strip("„“”\"',.") in clauses.subjects:
        return " ".join(words)
    return ""


def _unfinished(body: str, clauses: Clauses) -> bool:
    """Return whether a text announces something that is not there: "not only ...", an open bracket or quote."""
    low = f" {body.casefold()} "
    if any(f" {phrase} " in low for phrase in clauses.unfinished):
        return True
    return body.count("(") != body.count(")") or body.count('"') % 2 == 1


def _resting(out: Explanation, made: Checked) -> Explanation:
    """Return the explanation with the evidence that its text needs, all of it where the text needs it for sense."""
    used = made.used
    if not _again(made, made.text, used).supported:
        used = made.evidence
    first = next((e for e in out.evidence if e.kind == "event"), None)
    return replace(out, evidence=used, causal_drop=out.causal_drop if first in used else None)


def _completed(out: Explanation, made: Checked, case: Case, explainer: Any) -> Explanation:
    """Return the explanation with a text of ``explainer`` about facts that it does not tell yet."""
    untold = tuple(f for f in case.facts if not _told(f, out.evidence))
    added: Explanation = explainer.explain([replace(case, facts=untold)])[0]
    if not added.text:
        return out
    evidence = tuple(dict.fromkeys((*out.evidence, *added.evidence)))
    text = f"{out.text} {added.text}".strip()
    if not _again(made, text, evidence).supported:
        return out
    drop = added.causal_drop if out.causal_drop is None else out.causal_drop
    if not out.text:
        return replace(added, removed=out.removed)
    return replace(out, text=text, evidence=evidence, causal_drop=drop)


def _told(fact: Fact, evidence: Sequence[Evidence]) -> bool:
    told = {_key(e) for e in evidence}
    return any(_key(e) in told for e in fact.evidence)


def _key(e: Evidence) -> tuple[object, ...]:
    return (e.kind, e.item_id, e.field, e.value, e.review_id, e.start)
