"""From a template and texts to token ids under an exact budget: what does not fit is shortened fairly, then left out.

Pieces are tokenised one by one and joined, so that lengths add up exactly and the part that a request's candidates
share is the same whatever follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.errors import PromptError
from recsys.rerank.prompt import LISTS, Part, Template, pieces
from recsys.runtime.tokens import Ids, Tokens, told_apart

# Tokens of a text that stands alone, and of what stands beside the main text of a line.
SCALAR_TOKENS: Mapping[str, int] = {"query": 64, "stated": 96, "count": 4}
BESIDE_TOKENS: Mapping[str, int] = {"act": 16, "answer": 64}
# An entry that would keep fewer tokens than this is left out; a candidate, which must be there, keeps at least `LEAST`.
ENTRY_TOKENS, LEAST = 8, 4
LINE_TOKENS: Mapping[str, int] = {"facts": 128, "reviews": 160, "examples": 160}
# The part of what is free that a list may take, in the order in which they are served.
SHARE: Mapping[str, float] = {
    "candidates": 1.0, "seeds": 0.3, "chosen": 1.0, "facts": 1.0, "reviews": 1.0, "examples": 0.4, "disliked": 0.2,
    "history": 1.0, "ratings": 1.0,
}  # fmt: skip

# Slots whose texts are the catalogue's own: their ids may be kept.
KEPT = frozenset({"item", "first", "second", "recent", "act", "place"})

Line = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a list slot, in the order of the prompt, and in which order they are kept (None = from the front).

    A line's values are by slot; "place" is filled in: 1 for the first that is in.
    """

    lines: Sequence[Line]
    keep: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """What fills the slots of one prompt; ``flags`` are conditions of parts beyond "the slot is filled"."""

    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Entries] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def holds(self, when: str) -> bool:
        """Whether a part with this condition is in."""
        if when == "always" or when in self.flags:
            return True
        if when == "no-history":
            return not self.holds("history")
        if when == "history" and "ratings" in self.lists and self.lists["ratings"].lines:
            return True
        return bool(self.texts.get(when)) or (when in self.lists and bool(self.lists[when].lines))


@dataclass(frozen=True, slots=True)
class Assembled:
    """A prompt as ids, and which entries of each list are in it, ascending."""

    ids: Ids
    kept: Mapping[str, tuple[int, ...]]


class Assembler:
    """Fills one template for one tokenizer.

    Args:
        template: what is filled. tokens: the tokenizer.
        budget: rows of prompt and continuation together; None takes the template's.
        window: at most so many candidates are listed.
        begin, before, after: ids that open every text, and the model's own turn markers (trusted).

    Raises:
        PromptError: the template's own text leaves no room for the shortest candidates.
    """

    def __init__(
        self,
        template: Template,
        tokens: Tokens,
        *,
        budget: int | None = None,
        window: int = 20,
        begin: Sequence[int] = (),
        before: str = "",
        after: str = "",
    ) -> None:
        self.template, self.window = template, window
        self.budget = template.tokens if budget is None else budget
        self._tokens = tokens
        self._encoded = lru_cache(maxsize=65536)(tokens.encode)
        self._begin = np.concatenate([np.asarray(begin, np.int64), tokens.trusted(before)])
        self.after = tokens.trusted(after)
        # One more than its tokens: a space may be told apart from its word.
        self._answer = max((len(self._encoded(text)) + 1 for text in template.answers.values()), default=0)
        needed = self.smallest()
        if needed > self.budget:
            listed = f", {window} of the shortest candidates" if "candidates" in template.lines else ""
            raise PromptError(
                f"{template.source}: its own text{listed} and the slots may take {needed} tokens; "
                f"the budget is {self.budget}"
            )

    def smallest(self) -> int:
        """Return the tokens that a prompt may need when everything in it is as short as it can be."""
        t = self.template
        total = len(self._begin) + len(self.after) + self._answer
        for part in t.part:
            total += sum(len(p) for p in self._pieces(part, {}) if not isinstance(p, str))
            total += sum(self._cap(slot) for slot, _ in pieces(part.text) if slot and slot not in LISTS)
        if "candidates" in t.lines:
            place = max(len(self._encoded(str(n))) for n in range(1, self.window + 1))
            total += self.window * (self._overhead("candidates") + place + LEAST)
        return total

    @property
    def each_most(self) -> int:
        """Rows that what one candidate has for itself may take, the model's turn and the answer included."""
        own = [p for p in self.template.part if p.each]
        fixed = sum(len(x) for p in own for x in self._pieces(p, {}) if not isinstance(x, str))
        slots = sum(self._cap(s) for p in own for s, _ in pieces(p.text) if s)
        return fixed + slots + len(self.after) + self._answer

    def shared(self, values: Values, reserve: int = 0, closed: bool = False) -> Assembled:
        """Return the part that all candidates share, leaving ``reserve`` rows; ``closed`` opens the model's turn.

        Raises:
            PromptError: more candidates than the window, or than ``reserve`` leaves room for.
        """
        listed = values.lists["candidates"].lines if "candidates" in values.lists else ()
        parts = [p for p in self.template.part if not p.each and values.holds(p.when)]
        pattern = [piece for p in parts for piece in self._pieces(p, values.texts)]
        end = len(self.after) if closed else 0
        free = self.budget - reserve - end - len(self._begin) - sum(len(p) for p in pattern if not isinstance(p, str))
        filled: dict[str, tuple[list[Ids], tuple[int, ...]]] = {}
        for name in sorted((p for p in pattern if isinstance(p, str)), key=list(SHARE).index):
            filled[name] = self._list(name, values.lists.get(name, Entries(())), int(free * SHARE[name]))
            free -= sum(len(line) for line in filled[name][0])
        # A reply names candidates by their place: a list that lost one would be read wrongly.
        if len(listed) > self.window or ("candidates" in filled and len(filled["candidates"][0]) < len(listed)):
            raise PromptError(
                f"{self.template.source}: {len(listed)} candidates are too many for a window of {self.window} "
                f"and {self.budget - reserve} tokens"
            )
        body = [x for p in pattern for x in (filled[p][0] if isinstance(p, str) else [p])]
        tail = [self.after] if closed else []
        return Assembled(np.concatenate([self._begin, *body, *tail]), {n: kept for n, (_, kept) in filled.items()})

    def each(self, texts: Mapping[str, str], closed: bool = True) -> Ids:
        """Return what one candidate, or pair, has for itself; ``closed`` opens the model's turn."""
        own = [piece for p in self.template.part if p.each for piece in self._pieces(p, texts)]
        found = [p for p in own if not isinstance(p, str)]
        return np.concatenate([np.empty(0, np.int64), *found, *([self.after] if closed else [])])

    def answers(self) -> tuple[Ids, NDArray[np.int64]]:
        """Return the tokens that all answers begin with, and the first token of each in which they differ.

        Many tokenizers write " 1" and " 2" as a space and a digit: the space then belongs to the question.

        Raises:
            PromptError: one answer is the beginning of another, or two are equal.
        """
        found = told_apart(self._tokens, list(self.template.answers.values()))
        if found is None:
            names = ", ".join(self.template.answers)
            raise PromptError(f"{self.template.source}: answers: this tokenizer cannot tell {names} apart by one token")
        return found

    def _pieces(self, part: Part, texts: Mapping[str, str]) -> list[Ids | str]:
        """Return ids of plain text and single slots, and the names of lists, in their order."""
        out: list[Ids | str] = []
        space = ""
        for slot, plain in pieces(part.text):
            if plain:
                # A space belongs to the word behind it: so do the tokens that models know.
                space = " " if plain.endswith(" ") else ""
                out.append(self._encoded(plain.removesuffix(" ") if space else plain))
            elif slot in LISTS:
                out += [*([self._encoded(space)] if space else []), slot]
                space = ""
            else:
                out.append(self._text(slot, space + texts.get(slot, ""))[: self._cap(slot)])
                space = ""
        return [*out, self._encoded(space)] if space else out

    def _text(self, slot: str, text: str) -> Ids:
        """Return the ids of what fills a slot; what a shopper typed or did is never kept."""
        return self._encoded(text) if slot in KEPT else self._tokens.encode(text)

    def _cap(self, slot: str) -> int:
        return SCALAR_TOKENS.get(slot, self.template.item.tokens)

    def _overhead(self, name: str) -> int:
        return sum(len(self._encoded(plain)) for _, plain in pieces(self.template.lines[name]) if plain)

    def _list(self, name: str, entries: Entries, free: int) -> tuple[list[Ids], tuple[int, ...]]:
        """Return the lines that fit in ``free`` rows, and which entries they are."""
        cap = LINE_TOKENS.get(name, self.template.item.tokens)
        main = [self._text(LISTS[name][0], e[LISTS[name][0]])[:cap] for e in entries.lines]
        # Numbers of places differ in length: the longest that may occur is reckoned for all.
        place = max((len(self._encoded(str(k + 1))) for k in range(len(main))), default=0)
        beside = np.array([place + self._overhead(name) + self._beside(name, e) for e in entries.lines], np.int64)
        lengths = np.array([len(m) for m in main], np.int64)
        least = np.minimum(lengths, LEAST if name == "candidates" else ENTRY_TOKENS) + beside
        keep: list[int] = []
        for entry in entries.keep if entries.keep is not None else range(len(main)):
            if least[[*keep, entry]].sum() > free:
                break
            keep.append(entry)
        keep.sort()
        most = even_cap(lengths[keep], free - int(beside[keep].sum()))
        lines = [self._line(name, entries.lines[e], main[e][:most], n + 1) for n, e in enumerate(keep)]
        return lines, tuple(keep)

    def _beside(self, name: str, entry: Line) -> int:
        return sum(len(self._text(s, entry.get(s, ""))[: BESIDE_TOKENS[s]]) for s in LISTS[name][1:] if s != "place")

    def _line(self, name: str, entry: Line, main: Ids, place: int) -> Ids:
        out = [np.empty(0, np.int64)]
        for slot, plain in pieces(self.template.lines[name]):
            if plain:
                out.append(self._encoded(plain))
            elif slot == LISTS[name][0]:
                out.append(main)
            elif slot == "place":
                out.append(self._encoded(str(place)))
            else:
                out.append(self._text(slot, entry.get(slot, ""))[: BESIDE_TOKENS[slot]])
        return np.concatenate(out)


def even_cap(lengths: NDArray[np.int64], total: int) -> int:
    """Return the largest cap under which all ``lengths`` together have at most ``total``.

    LaMP's in-prompt budget: every entry may have as much as any other, and what short ones leave goes to the long.

    >>> even_cap(np.array([2, 9, 9]), 14)
    6
    """
    rising = np.sort(lengths)
    before = np.concatenate([[0], np.cumsum(rising)])
    for n, length in enumerate(rising):
        left = len(rising) - n
        if before[n] + left * length > total:
            return max(int((total - before[n]) // left), 0)
    return int(rising[-1]) if len(rising) else 0
