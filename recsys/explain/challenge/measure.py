"""Measures a checker on the challenge set: what it catches and keeps, and whether it blames the right statement."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from recsys.explain.challenge.corrupt import plain
from recsys.explain.challenge.load import NOW, Challenge, load, marked_texts
from recsys.explain.check import Checked, check

Span = tuple[int, int]
_WORD = re.compile(r"\w+|[^\w\s]")
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a checker says of a text: whether it is supported, and where what is not supported stands."""

    supported: bool
    blamed: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A text of the set and what became of it.

    Attributes:
        right: a true text is kept, a corrupted one is caught.
        located: whether a blamed statement holds the corruption; None where no statement is
            blamed, or where no true text shows what was changed (corruptions by hand, right quotes on the wrong item).
    """

    challenge: Challenge
    right: bool
    located: bool | None = None


Judgement = Callable[[Challenge], Verdict]


def checked(challenge: Challenge) -> Verdict:
    """Return what `check` says of a text."""
    found: Checked = check(challenge.text, challenge.evidence, challenge.title, now=NOW)
    return Verdict(found.supported, tuple((s.start, s.end) for s in found.statements if not s.supported))


def outcomes(split: str, judgement: Judgement = checked) -> list[Outcome]:
    """Return what ``judgement`` makes of every text of a split."""
    sources: dict[str, list[str]] = {}
    for case, marked in marked_texts(split):
        sources.setdefault(case, []).append(plain(marked))
    return [_outcome(challenge, judgement(challenge), sources) for challenge in load(split)]


def _outcome(challenge: Challenge, verdict: Verdict, sources: Mapping[str, Sequence[str]]) -> Outcome:
    if challenge.kind == "true":
        return Outcome(challenge, verdict.supported)
    if not verdict.blamed or challenge.by_hand or challenge.kind == "wrong-item":
        return Outcome(challenge, not verdict.supported)
    places = changed(nearest(challenge.text, sources[challenge.case]), challenge.text)
    located = any(start <= place[1] and place[0] <= end for place in places for start, end in verdict.blamed)
    return Outcome(challenge, True, located)


def nearest(text: str, others: Iterable[str]) -> str:
    """Return the one of ``others`` that has the most in common with ``text``."""
    words = _WORD.findall(text)
    return max(others, key=lambda other: SequenceMatcher(None, words, _WORD.findall(other), autojunk=False).ratio())


def changed(before: str, after: str) -> list[Span]:
    """Return where ``after`` differs from ``before``, word by word; something left out is a span of no length."""
    old, new = _WORD.findall(before), list(_WORD.finditer(after))
    out = []
    for tag, _, _, start, end in SequenceMatcher(None, old, [m[0] for m in new], autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        begin = new[start].start() if start < len(new) else len(after)
        out.append((begin, new[end - 1].end() if end > start else begin))
    return out


def wilson(right: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share after Wilson, 1927."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = right / of, _Z95 * _Z95
    middle = share + z2 / (2 * of)
    half = _Z95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z2 / of)), min(1.0, (middle + half) / (1 + z2 / of))
