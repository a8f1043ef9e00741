"""Explanations with the words of their inputs as slots: what a small model need not learn to spell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recsys.data.xrec import Pair
from recsys.eval.generation_words import Words, tokens
from recsys.explain.clean import level, visible

MAX_SLOTS = 64  # words of the inputs that may be named; further ones may not
MAX_CHARS = 4000
ITEM = 0  # the slot of the item's title; words of the inputs have the slots from 1 on
FROM_ITEM, FROM_USER, FROM_TITLE = 1, 2, 4  # which input said a word: a sum of these
_BEFORE = re.compile(r"[\"(\[/‘“-]$")  # what a word follows without a space

Target = list[str | int]  # pieces of text and slots


@dataclass(frozen=True, slots=True)
class Slots:
    """What the inputs of a pair say, a slot each: ``words[i]`` is slot i + 1, ``sources[i]`` who said it."""

    title: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    sources: tuple[int, ...]

    @classmethod
    def of(cls, pair: Pair, words: Words) -> Slots:
        """Return the content words of title, item summary and user summary, each stem once, as first written."""
        found: dict[str, tuple[str, int]] = {}
        for source, text in ((FROM_TITLE, pair.title), (FROM_ITEM, pair.item_summary), (FROM_USER, pair.user_summary)):
            shown = level(visible(text, MAX_CHARS))
            for token in tokens(text):
                if not words.says(token.stem):
                    continue
                surface = shown[token.start : token.end] if token.capital else token.low
                first, sources = found.get(token.stem, (surface, 0))
                found[token.stem] = (first, sources | source)
        kept = list(found.items())[:MAX_SLOTS]
        return cls(pair.title, tuple(w for _, (w, _) in kept), tuple(s for s, _ in kept),
                   tuple(n for _, (_, n) in kept))  # fmt: skip

    def emptied(self, text: str) -> Target:
        """Return ``text`` with the title and the inputs' words replaced by their slots."""
        shown, out, at = level(visible(text, MAX_CHARS)), [], 0
        place = {stem: i + 1 for i, stem in enumerate(self.stems)}
        named = self._named(shown)
        for token in tokens(text):
            inside = next((span for span in named if span[0] <= token.start < span[1]), None)
            if (inside is None and token.stem not in place) or token.start < at:
                continue
            start, end = inside or (token.start, token.end)
            out += [shown[at:start].removesuffix(" "), ITEM if inside else place[token.stem]]
            at = end
        return [piece for piece in (*out, shown[at:]) if piece != ""]

    def filled(self, pieces: Sequence[str | int]) -> str:
        """Return a text of pieces and slots; a slot that there is no word for says nothing."""
        values = (self.title, *self.words)
        out = ""
        for piece in pieces:
            if isinstance(piece, str):
                out += piece
            elif piece < len(values):
                out += values[piece] if not out or _BEFORE.search(out) else f" {values[piece]}"
        return " ".join(out.split())

    def _named(self, shown: str) -> list[tuple[int, int]]:
        title = level(visible(self.title, MAX_CHARS))
        return (
            [m.span() for m in re.finditer(rf"(?<!\w){re.escape(title)}(?!\w)", shown, re.IGNORECASE)] if title else []
        )
