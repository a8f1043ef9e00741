"""What explanations say, as words: how much of it the inputs show, and how much of it the reference says too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from recsys.errors import DataError
from recsys.explain.check import check
from recsys.explain.clean import level, visible
from recsys.explain.lexicon import lexicon
from recsys.explain.tokens import Token, words_of
from recsys.explanation import Evidence

LOCALE = "en"
MAX_CHARS = 4000  # of a text that is read
FRAME_SHARE = 0.2  # a word of more training references than this belongs to how all of them are worded
ASPECT_TEXTS = 5  # an aspect is spoken of in so many training references at least
# Categories of `recsys.explain.lexicon` whose words say nothing that could be wrong.
_EMPTY = frozenset(("function", "neutral", "modal", "pronoun:item", "pronoun:rec"))


@dataclass(frozen=True, slots=True)
class Words:
    """Which words of a set of texts claim something.

    Attributes:
        frame: stems that nearly all training references share ("the user would enjoy the business").
        aspects: stems that explanations are about: content words of at least `ASPECT_TEXTS` training references.
    """

    frame: frozenset[str]
    aspects: frozenset[str]

    @classmethod
    def of(cls, references: Sequence[str]) -> Words:
        """Learn from training references. Raises `DataError` for none."""
        if not references:
            raise DataError("there is no training reference to learn the common words from")
        counts = Counter(chain.from_iterable({t.stem for t in tokens(text)} for text in references))
        frame = frozenset(w for w, n in counts.items() if n > FRAME_SHARE * len(references))
        known = {w for w, n in counts.items() if n >= ASPECT_TEXTS} - frame
        return cls(frame, frozenset(w for w in known if not is_empty(w)))

    def content(self, text: str) -> list[str]:
        """Return the stems of the words that claim something, in order, repeats included.

        These are the words and numbers of a text without those of the frame and without those that the checker's
        lexicon lists as empty (function words, modals, pronouns, words that could not be false).
        """
        return [t.stem for t in tokens(text) if self.says(t.stem)]

    def says(self, stem: str) -> bool:
        """Return whether words of a stem claim something."""
        return stem not in self.frame and not is_empty(stem)

    def support(self, text: str, inputs: Iterable[str]) -> float:
        """Return the share of the content words of ``text`` that ``inputs`` say, in that word or a synonym.

        Words are compared by stem, and by the groups of synonyms of the checker's lexicon. A text without content
        words, an empty one above all, supports nothing: 0.
        """
        said = self.content(text)
        if not said:
            return 0.0
        shown = said_by(inputs)
        return sum(word in shown for word in said) / len(said)

    def agreement(self, text: str, reference: str) -> float:
        """Return the F1 of the aspects of ``text`` against those of ``reference``; 0 where either has none.

        A text's aspects are the set of its stems that are in ``aspects``; an aspect is hit by itself or a synonym.
        """
        own, wanted = self.aspects_of(text), self.aspects_of(reference)
        if not own or not wanted:
            return 0.0
        hits = _hits(own, wanted)
        precision, recall = hits / len(own), _hits(wanted, own) / len(wanted)
        return 2 * precision * recall / (precision + recall) if hits else 0.0

    def aspects_of(self, text: str) -> frozenset[str]:
        """Return what a text is about."""
        return frozenset(t.stem for t in tokens(text)) & self.aspects


def checked(text: str, title: str, inputs: Sequence[str]) -> float:
    """Return the share of the claiming statements of ``text`` that `recsys.explain.check` passes; 0 without any.

    The evidence is the item's title and, as what is said of the item, every one of ``inputs``. A statement is a whole
    clause and fails with one word that nothing shows, so this is far stricter than `Words.support`; and the checker is
    made for reasons of a shop, so that even sentences of the inputs themselves do not all pass.
    """
    item = "item"
    named = Evidence(kind="attribute", item_id=item, title=title, field="title", value=title)
    said = [
        Evidence(kind="review", item_id=item, title=title, review_id=str(i), quote=one, start=0, end=len(one))
        for i, one in enumerate(inputs)
    ]
    claims = check(text, [named, *said], title, locale=LOCALE, item_id=item).claims
    return sum(c.supported for c in claims) / len(claims) if claims else 0.0


def runs(text: str, words: Words) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the parts of ``text`` that claim something in a row: as they are written, and their stems."""
    shown = level(visible(text, MAX_CHARS))
    run: list[Token] = []
    for token in words_of(shown, lexicon(LOCALE)):
        says = words.says(token.stem)
        if run and (not says or shown[run[-1].end : token.start].strip(" -")):
            yield shown[run[0].start : run[-1].end], tuple(t.stem for t in run)
            run = []
        if says:
            run.append(token)
    if run:
        yield shown[run[0].start : run[-1].end], tuple(t.stem for t in run)


def tokens(text: str) -> list[Token]:
    """Return the words and numbers of a text as they are compared here."""
    return words_of(level(visible(text, MAX_CHARS)), lexicon(LOCALE))


def said_by(inputs: Iterable[str]) -> frozenset[str]:
    """Return the stems of all words of texts, and all that mean the same."""
    return frozenset(chain.from_iterable(_meanings(t.stem) for one in inputs for t in tokens(one)))


def is_empty(stem: str) -> bool:
    """Return whether the checker's lexicon lists the words of a stem as claiming nothing."""
    return not _EMPTY.isdisjoint(lexicon(LOCALE).words.get(stem, ()))


def _meanings(stem: str) -> frozenset[str]:
    return lexicon(LOCALE).synonyms.get(stem, frozenset()) | {stem}


def _hits(own: frozenset[str], other: frozenset[str]) -> int:
    return sum(not _meanings(word).isdisjoint(other) for word in own)
