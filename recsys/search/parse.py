"""From a typed text to a query: compounds, synonyms, corrections, and the last word as a beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from recsys.search.analysis import Shape, Token
from recsys.search.correct import Corrector
from recsys.search.index import TextIndex
from recsys.search.query import Alternative, Query, Slot
from recsys.search.synonyms import Applied, Synonyms

MAX_QUERY = 500  # characters
MAX_WORDS = 32
MAX_SLOTS = 48
NUMBER_ALONE = 0.4  # what "15" counts for "15 inch"


class Parser:
    """Reads queries for one snapshot of an index."""

    def __init__(self, index: TextIndex, synonyms: Synonyms | None = None) -> None:
        self.index = index
        self.synonyms = synonyms or Synonyms({})
        self.corrector = Corrector(index)

    def parse(self, text: str, prefix: bool = False, wide: bool = False) -> Query:
        """Return what a text asks for.

        ``prefix`` reads the last word as a beginning too, as in as-you-type search; ``wide`` corrects words more
        boldly, for a query that finds nothing as it is.
        """
        tokens = tuple(self.index.analyzer.tokens(text, MAX_QUERY)[:MAX_WORDS])
        applied = self.synonyms.apply([p for t in tokens for p in t.shape.parts])
        covered = {place for rule in applied for place in range(rule.begin, rule.end)}
        slots: list[Slot] = []
        only_stop = all(t.shape.stop for t in tokens)
        for i, token in enumerate(tokens):
            last = prefix and i == len(tokens) - 1
            slots += self._slots(i, token, only_stop, covered, last, wide)
        slots = self._meanings(self._written_as_one(tokens, slots), applied)[:MAX_SLOTS]
        said = tuple((rule.words, s.words) for rule in applied for s in rule.readings)
        return Query(text, tokens, tuple(slots), corrections(slots), said)

    def _slots(self, i: int, token: Token, only_stop: bool, covered: set[int], last: bool, wide: bool) -> list[Slot]:
        """Return one slot per part; each is also met by the compound written as one, which has no parts of its own."""
        c, shape = self.index.config, token.shape
        joined = [Alternative((t,), c.compound, "joined", t) for t in _wholes(shape)]
        light = shape.stop and not only_stop
        out = []
        for k, part in enumerate(shape.parts):
            readings = [Alternative((part,), 1.0, "typed", token.raw)]
            # A merchant's word is no mistake, known or not.
            if token.position + k not in covered and self._is_word(token):
                pieces = self.index.analyzer.pieces(token.raw)
                if pieces[k].isalpha():
                    readings = list(self.corrector.read(pieces[k], last and k == len(shape.parts) - 1, wide))
            readings += joined
            if shape.kind == "measure":
                readings += [Alternative((n,), NUMBER_ALONE, "part", n) for n in shape.extra]
            out.append(Slot(token.raw, i, tuple(readings), c.stop if light else 1.0, not light))
        return out

    def _is_word(self, token: Token) -> bool:
        """Return whether a word may be corrected: codes, numbers and function words are what they are."""
        return self.index.config.typos and not token.shape.stop and token.shape.kind in ("word", "compound")

    def _written_as_one(self, tokens: Sequence[Token], slots: list[Slot]) -> list[Slot]:
        """Let "wi fi" be met by "wifi" too, where the shop writes it so."""
        out = list(slots)
        for a, b in pairwise(tokens):
            if not (_plain(a.shape) and _plain(b.shape)):
                continue
            runs = a.raw + b.raw
            term = self.index.analyzer.stem(runs) if runs.isalpha() else runs
            if self.index.frequency(self.index.lexicon.term(term)):
                reading = Alternative((term,), self.index.config.compound, "joined", runs)
                for at in (a.position, b.position):
                    out[at] = _with(out[at], reading)
        return out

    def _meanings(self, slots: list[Slot], applied: Sequence[Applied]) -> list[Slot]:
        """Let each word of a rule be met by what the merchant says it means."""
        out = list(slots)
        for rule in applied:
            for s in rule.readings:
                reading = Alternative(s.terms, self.index.config.synonym, "synonym", s.words)
                for at in range(rule.begin, min(rule.end, len(out))):
                    out[at] = _with(out[at], reading)
        return out


def corrections(slots: Sequence[Slot]) -> dict[str, str]:
    """Return {typed: used} of the words that a guess replaced."""
    return {s.typed: s.alternatives[0].word for s in slots if s.alternatives[0].source == "typo"}


def _with(slot: Slot, reading: Alternative) -> Slot:
    return replace(slot, alternatives=(*slot.alternatives, reading))


def _wholes(shape: Shape) -> tuple[str, ...]:
    if shape.kind == "measure" or shape.joined is None:
        return ()
    return (shape.joined, *shape.extra)


def _plain(shape: Shape) -> bool:
    return shape.kind in ("word", "number") and not shape.stop and len(shape.parts) == 1
