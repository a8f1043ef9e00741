"""Which words of the shop a typed word may stand for, and how sure that is.

Noisy channel in small (Kernighan, Church & Gale 1990): how likely the edit, times how often the shop says the word.
Only words of letters alone are corrected: a digit is never a guess. A word that the shop does say, but hardly, keeps
its meaning and lends some of its weight to a neighbour that the shop says far more often.
"""

from __future__ import annotations

import numpy as np

from recsys.search.analysis import fold_accents
from recsys.search.index import TextIndex
from recsys.search.query import Alternative
from recsys.search.spelling import Guess

MAX_GUESSES = 6
MAX_COMPLETIONS = 12
SHORTEST_CORRECTED, TWO_EDITS = 4, 8  # letters from which one edit, and two, are undone
ERROR_RATE = 0.02  # of typed words that are misspelt into another word of the shop
RARE_SHARE, RARE = 0.0005, 3  # a word of so many products is looked at for a commoner neighbour
LEAST = 0.05  # guesses that weigh less are left out
PER_EDIT = 0.12  # what each edit leaves of a guess, before frequencies


class Corrector:
    """Corrects words by the vocabulary of one snapshot of an index."""

    def __init__(self, index: TextIndex) -> None:
        self.index = index
        self.rare = max(RARE, int(RARE_SHARE * index.n_rows))

    def read(self, word: str, prefix: bool = False, wide: bool = False) -> tuple[Alternative, ...]:
        """Return what a word of letters alone may stand for, itself first if the shop has it, else by weight.

        ``prefix`` reads it as a beginning too; ``wide`` allows two edits from five letters on, for a query that
        finds nothing else.
        """
        typed = fold_accents(word)
        term = self.index.analyzer.stem(word)
        held = self.index.frequency(self.index.lexicon.term(term))
        known = (Alternative((term,), 1.0, "typed", word),) if held else ()
        others = self._guesses(typed, held, wide) if self._correctable(typed, held) else []
        completions: list[Alternative] = []
        if prefix or not held:
            completions = self._completions(typed)
        best: dict[tuple[str, ...], Alternative] = {}
        for one in [*known, *others, *completions]:
            if one.terms not in best or best[one.terms].weight < one.weight:
                best[one.terms] = one
        readings = sorted(best.values(), key=lambda r: -r.weight)
        if not held and not readings:
            readings = self._split(typed)
        if known:
            readings = [*known, *(r for r in readings if r is not known[0])]
        if not readings:
            return (Alternative((term,), 1.0, "typed", word),)
        return tuple(readings[: MAX_GUESSES + MAX_COMPLETIONS])

    def _correctable(self, word: str, held: int) -> bool:
        return len(word) >= SHORTEST_CORRECTED and word.isalpha() and held <= self.rare

    def _guesses(self, word: str, held: int, wide: bool) -> list[Alternative]:
        reach = 2 if len(word) >= TWO_EDITS or (wide and len(word) > SHORTEST_CORRECTED) else 1
        near = [g for s in self.index.spellers for g in s.near(word, 1)]
        if reach == 2 and not near:
            near = [g for s in self.index.spellers for g in s.near(word, 2)]
        stem = self.index.analyzer.stem
        own = stem(word)
        scored = [(g, self._likely(word, g)) for g in near if g.word != word and stem(g.word) != own]
        scored = sorted(scored, key=lambda pair: -pair[1])[:MAX_GUESSES]
        if not scored:
            return []
        if held:
            said = [(g, ERROR_RATE * likely / (held * PER_EDIT)) for g, likely in scored]
            weighed = [(g, odds / (1 + odds)) for g, odds in said]
        else:
            # Unknown: the likeliest guess stands for the word, the others by their order of magnitude beside it.
            top = np.log1p(scored[0][1])
            weighed = [(g, float(np.log1p(likely) / top)) for g, likely in scored]
        return [Alternative((stem(g.word),), w, "typo", g.word) for g, w in weighed if w >= LEAST]

    def _likely(self, typed: str, guess: Guess) -> float:
        """Return how likely a guess is: its frequency, less for each edit, and less for another first letter."""
        first = 1.0 if guess.word[0] == typed[0] else 0.5
        return guess.said * PER_EDIT**guess.distance * first

    def _completions(self, word: str) -> list[Alternative]:
        if len(word) < 2:
            return []
        found = [g for s in self.index.spellers for g in s.completions(word, MAX_COMPLETIONS)]
        found = sorted(found, key=lambda g: -g.said)[:MAX_COMPLETIONS]
        weight, stem = self.index.config.prefix, self.index.analyzer.stem
        return [Alternative((stem(g.word),), weight, "prefix", g.word) for g in found]

    def _split(self, word: str) -> list[Alternative]:
        """Return the two known words that an unknown one was written together from, the rarer as common as can be."""
        stem, term = self.index.analyzer.stem, self.index.lexicon.term
        best: tuple[int, tuple[str, ...], str] | None = None
        for cut in range(2, len(word) - 1) if len(word) <= 40 else ():
            left, right = stem(word[:cut]), stem(word[cut:])
            held = min(self.index.frequency(term(left)), self.index.frequency(term(right)))
            if held and (best is None or held > best[0]):
                best = held, (left, right), f"{word[:cut]} {word[cut:]}"
        return [] if best is None else [Alternative(best[1], 1.0, "typo", best[2])]
