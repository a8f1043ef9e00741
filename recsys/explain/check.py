"""Checks a text against its evidence, statement by statement; it sees nothing but the two.

The checker is a closed world: every word of a text has to name something in the evidence, to be said by a cited
review, or to claim nothing. What is left over is an invented claim. Names, acts, times, numbers and denials are bound
to one another as the sentence does, and each binding is looked up. There is no model in it: the same text and evidence
always get the same answer, in well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys.explain.clean import visible
from recsys.explain.findings import ClaimKind, Finding, Judge
from recsys.explain.judge import judge
from recsys.explain.known import known
from recsys.explain.lexicon import lexicon
from recsys.explanation import Evidence, language_of

MAX_CHARS = 1000
# What a statement is called when several claims are in it.
_RANK: tuple[ClaimKind, ...] = ("quote", "event", "count", "query", "opinion", "time", "attribute", "comparison")


@dataclass(frozen=True, slots=True)
class Statement:
    """A clause of a text that claims something, or nothing.

    Attributes:
        text: ``checked.text[start:end]``. kind: what it claims. evidence: places in ``checked.evidence``.
        reason: why it is not supported, "" when it is.
    """

    text: str
    start: int
    end: int
    kind: ClaimKind
    supported: bool
    reason: str = ""
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A text as it was read, and its statements in order; the statements cover the text."""

    text: str
    evidence: tuple[Evidence, ...]
    statements: tuple[Statement, ...]
    title: str = ""
    now: int | None = None
    locale: str = "en"
    item_id: str | None = None

    @property
    def supported(self) -> bool:
        """Whether every statement is."""
        return all(s.supported for s in self.statements)

    @property
    def claims(self) -> tuple[Statement, ...]:
        """The statements that claim something."""
        return tuple(s for s in self.statements if s.kind != "filler")

    @property
    def used(self) -> tuple[Evidence, ...]:
        """The evidence that supported statements rest on."""
        places = {i for s in self.statements if s.supported for i in s.evidence}
        return tuple(e for i, e in enumerate(self.evidence) if i in places)


def check(
    text: str, evidence: Sequence[Evidence], title: str = "", *, now: int | None = None, locale: str = "en",
    item_id: str | None = None,
) -> Checked:  # fmt: skip
    """Check every statement of ``text`` about the recommended item called ``title``.

    Args:
        text: free text, whoever wrote it; what exceeds `MAX_CHARS` is cut off, and the last statement then is
            unsupported.
        evidence: all that the text may rest on.
        title: the recommended item's.
        item_id: the recommended item's. Without it the item is found by its title, which variants may share; without
            either it is taken from the evidence that is about no event.
        now: epoch seconds at which the text is read; without it "last week" and the like are unsupported.
        locale: the language of the text; "de-AT" is read as "de".

    Raises:
        ConfigError: a language that there is no lexicon of.
    """
    whole = visible(text, 4 * MAX_CHARS)
    shown = whole[:MAX_CHARS].rstrip()
    arranged = known(evidence, title, lexicon(language_of(locale)), item_id)
    judged = judge(shown, arranged, now)
    statements = _statements(judged)
    if (len(whole) > MAX_CHARS or len(text) > 16 * MAX_CHARS) and statements:
        statements[-1] = _too_long(statements[-1])
    return Checked(shown, tuple(evidence), tuple(statements), title, now, locale, item_id)


def _too_long(last: Statement) -> Statement:
    return Statement(last.text, last.start, last.end, last.kind, False, "the text is too long to be read", ())


def _statements(judged: Judge) -> list[Statement]:
    """Cut a text into clauses and give each the findings that lie in it."""
    reading = judged.reading
    if not reading.tokens:
        return []
    starts = _clauses(judged)
    findings = sorted(judged.findings, key=lambda f: f.at)
    out = []
    for first, after in zip(starts, [*starts[1:], len(reading.tokens)]):
        mine = [f for f in findings if first <= f.at < after]
        begin = 0 if first == 0 else reading.tokens[first].start
        end = len(reading.text) if after == len(reading.tokens) else reading.tokens[after].start
        out.append(_statement(reading.text, begin, end, mine))
    return out


def _statement(text: str, begin: int, end: int, findings: Sequence[Finding]) -> Statement:
    wrong = [f for f in findings if f.reason]
    kinds = {f.kind for f in wrong or findings}
    kind: ClaimKind = next((k for k in _RANK if k in kinds), "filler")
    evidence = tuple(sorted({i for f in findings for i in f.evidence}))
    reason = "; ".join(dict.fromkeys(f.reason for f in wrong))
    shown = text[begin:end].strip()
    begin = text.index(shown, begin) if shown else begin
    return Statement(shown, begin, begin + len(shown), kind, not wrong, reason, evidence)


def _clauses(judged: Judge) -> list[int]:
    """Return the first tokens of the clauses: of sentences, and of parts that a mark and a connective set off."""
    reading = judged.reading
    joins = reading.language.grammar["joins"]
    out = [0]
    for i in range(1, len(reading.tokens)):
        before = reading.tokens[i - 1]
        new_sentence = reading.sentence[i] != reading.sentence[i - 1]
        marked = before.low in (";", "—") and reading.node[i - 1] is None
        joined = before.low == "," and reading.low(i) in joins and reading.node[i - 1] is None
        if new_sentence or marked or joined:
            out.append(i)
    return out
