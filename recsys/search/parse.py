"""From a typed text to a query: compounds, synonyms, corrections, and the last word as a beginning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from recsys.search.analysis import Shape, Token
from recsys.search.correct import Corrector
from recsys.search.index import TextIndex
from recsys.search.query import Alternative, Query, Slot

MAX_QUERY = 500  # characters
MAX_WORDS = 32
MAX_SLOTS = 48


class Parser:
    """Reads queries for one snapshot of an index."""

    def __init__(self, index: TextIndex) -> None:
        self.index = index
        self.corrector = Corrector(index)

    def parse(self, text: str, prefix: bool = False) -> Query:
        """Return what a text asks for; ``prefix`` reads the last word as a beginning too, as in as-you-type search."""
        analyzer = self.index.analyzer
        tokens = tuple(analyzer.tokens(text, MAX_QUERY)[:MAX_WORDS])
        slots: list[Slot] = []
        only_stop = all(t.shape.stop for t in tokens)
        for i, token in enumerate(tokens):
            slots += self._slots(i, token, only_stop, prefix and i == len(tokens) - 1)
        slots = self._written_as_one(tokens, slots)[:MAX_SLOTS]
        return Query(text, tokens, tuple(slots), corrections(slots))

    def _slots(self, i: int, token: Token, only_stop: bool, last: bool) -> list[Slot]:
        """Return one slot per part; each is also met by the compound written as one, which has no parts of its own."""
        c, shape = self.index.config, token.shape
        joined = [Alternative((t,), c.compound, "joined", t) for t in _wholes(shape)]
        light = shape.stop and not only_stop
        out = []
        for k, part in enumerate(shape.parts):
            readings = [*self._readings(token, k, part, last and k == len(shape.parts) - 1), *joined]
            if shape.kind == "measure":
                readings += [Alternative((n,), 0.4, "part", n) for n in shape.extra]
            out.append(Slot(token.raw, i, tuple(readings), c.stop if light else 1.0, not light))
        return out

    def _readings(self, token: Token, k: int, part: str, prefix: bool) -> tuple[Alternative, ...]:
        """Return what one part of a word may stand for; codes, numbers and function words are what they are."""
        shape = token.shape
        plain = (Alternative((part,), 1.0, "typed", token.raw),)
        if not self.index.config.typos or shape.stop or shape.kind not in ("word", "compound"):
            return plain
        pieces = self.index.analyzer.pieces(token.raw)
        return self.corrector.read(pieces[k], prefix) if pieces[k].isalpha() else plain

    def _written_as_one(self, tokens: Sequence[Token], slots: list[Slot]) -> list[Slot]:
        """Let "wi fi" be met by "wifi" too, where the shop writes it so."""
        out = list(slots)
        place = [0]
        for t in tokens:
            place.append(place[-1] + len(t.shape.parts))
        for i, (a, b) in enumerate(pairwise(tokens)):
            if not (_plain(a.shape) and _plain(b.shape)) or place[i + 2] > len(out):
                continue
            runs = a.raw + b.raw
            term = self.index.analyzer.stem(runs) if runs.isalpha() else runs
            if self.index.frequency(self.index.lexicon.term(term)):
                reading = Alternative((term,), self.index.config.compound, "joined", runs)
                for at in (place[i], place[i + 1]):
                    slot = out[at]
                    out[at] = Slot(slot.typed, slot.word, (*slot.alternatives, reading), slot.weight, slot.needed)
        return out


def corrections(slots: Sequence[Slot]) -> dict[str, str]:
    """Return {typed: used} of the words that a guess replaced."""
    return {s.typed: s.alternatives[0].word for s in slots if s.alternatives[0].source == "typo"}


def _wholes(shape: Shape) -> tuple[str, ...]:
    if shape.kind == "measure" or shape.joined is None:
        return ()
    return (shape.joined, *shape.extra)


def _plain(shape: Shape) -> bool:
    return shape.kind in ("word", "number") and not shape.stop and len(shape.parts) == 1
