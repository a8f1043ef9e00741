"""A small language model that writes explanations from vectors of its inputs and slots of their words, on ONNX."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.xrec_slots import MAX_SLOTS, Slots, Target
from recsys.data.xrec import Pair
from recsys.embed.cache import embed_items
from recsys.eval.generation_words import LOCALE, Words, is_empty, said_by
from recsys.eval.generation_words import tokens as words_in
from recsys.explain.lexicon import lexicon
from recsys.protocols import Embedder
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoder import open_decoder
from recsys.runtime.prefixes import Prompt
from recsys.runtime.tokens import Tokens

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
# Control tokens of the vocabulary, in this order; what follows is text, and the slots are its last ids.
CONTROL = ("<s>", "</s>", "<sep>", "<gap>")
BEGIN, END, SEP, GAP = range(len(CONTROL))
# What a row in front of the text is made of: 0 user summary, 1 item summary, 2 title; a word's sources from 3 on.
KINDS = 3 + 8
MAX_NEW_TOKENS = 128


NOTHING: Ids = np.empty(0, np.int64)
_BEGUN = frozenset((-1,))  # no token: the text has one


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One pair as the model reads it.

    Attributes:
        vectors: (r, 384) of the texts and then of the words. kinds: (r,) what each is. slots: (r,) the slot of a word,
            counted from 1; 0 of a text. target: ids of the explanation with the end token, empty where it is asked for.
    """

    vectors: Rows
    kinds: Ids
    slots: Ids
    target: Ids


class Vectors:
    """Vectors of texts, each embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._known: dict[str, Rows] = {}

    def learn(self, texts: Sequence[str]) -> None:
        missing = [t for t in dict.fromkeys(texts) if t not in self._known]
        if missing:
            self._known |= zip(missing, embed_items(self.embedder, missing), strict=True)

    def of(self, texts: Sequence[str]) -> Rows:
        self.learn(texts)
        return np.array([self._known[t] for t in texts], dtype=np.float32)


def examples(
    pairs: Sequence[Pair], slots: Sequence[Slots], vectors: Vectors, targets: Sequence[Ids] | None = None
) -> list[Example]:
    """Return what the model reads of each pair; without targets, to be written."""
    vectors.learn([t for p in pairs for t in (p.user_summary, p.item_summary, p.title)])
    vectors.learn([w for s in slots for w in s.words])
    out = []
    for i, (pair, slot) in enumerate(zip(pairs, slots, strict=True)):
        n = len(slot.words)
        out.append(Example(
            vectors.of([pair.user_summary, pair.item_summary, pair.title, *slot.words]),
            np.array([0, 1, 2, *(3 + s for s in slot.sources)], dtype=np.int64),
            np.array([0, 0, 0, *range(1, n + 1)], dtype=np.int64),
            np.empty(0, np.int64) if targets is None else targets[i],
        ))  # fmt: skip
    return out


def target_ids(target: Target, tokens: Tokens, first_slot: int) -> Ids:
    """Return the ids of a text with slots, and the end token."""
    parts = [tokens.encode(p) if isinstance(p, str) else np.array([first_slot + p], np.int64) for p in target]
    return np.concatenate([*parts, np.array([END], np.int64)])


def pieces(ids: Sequence[int], tokens: Tokens, first_slot: int) -> Target:
    """Return the text and the slots of ids."""
    out: Target = []
    run: list[int] = []
    for one in ids:
        if one < first_slot:
            run.append(one)
            continue
        out += [tokens.decode(run)] if run else []
        out.append(one - first_slot)
        run = []
    return [*out, tokens.decode(run)] if run else out


class OwnWords:
    """Lets a model name each word of its own inputs once, any word of ``once`` once, and the item as often as it likes.

    Small models repeat themselves when they are read greedily. ``text`` (t,) are the tokens of text that may stand
    between slots, None allows all of them; those of ``begin`` may stand at the very beginning as well.
    """

    def __init__(
        self,
        first_slot: int,
        own: int,
        once: frozenset[int] = frozenset(),
        text: Ids | None = None,
        begin: Ids = NOTHING,
    ) -> None:
        """Slots of words begin behind ``first_slot``, the item's; ``own`` of them belong to these inputs."""
        between = np.arange(len(CONTROL), first_slot, dtype=np.int64) if text is None else text
        self._all = np.concatenate([between, np.arange(first_slot, first_slot + 1 + own, dtype=np.int64)])
        self._first = np.union1d(self._all, begin)
        self._once = once | set(range(first_slot + 1, first_slot + 1 + own))

    def start(self) -> frozenset[int]:
        return frozenset()

    def allowed(self, state: frozenset[int]) -> Ids:
        return self._all[~np.isin(self._all, np.array(sorted(state), np.int64))] if state else self._first

    def step(self, state: frozenset[int], token: int) -> frozenset[int]:
        return state | ({token} if token in self._once else _BEGUN)

    def done(self, state: frozenset[int]) -> bool:
        return True


def telling(tokens: Tokens, first_slot: int) -> frozenset[int]:
    """Return the tokens of text that are words of four letters or more, those that hold a sentence together aside."""
    found = set()
    for i in range(len(CONTROL), first_slot):
        word = tokens.decode([i])
        low = word[1:].lower()
        whole = word.startswith(" ") and len(low) >= 4 and low.isalpha()
        if whole and not holds_together(lexicon(LOCALE).stem(low)):
            found.add(i)
    return frozenset(found)


def holds_together(stem: str) -> bool:
    """Return whether words of a stem are function words, modals or pronouns."""
    return any(k in ("function", "modal") or k.startswith("pronoun") for k in lexicon(LOCALE).words.get(stem, ()))


class ClosedWorld:
    """The tokens of text that may stand between slots when a text must claim nothing but what its inputs say.

    These are marks, words that the checker's lexicon lists as empty, words that references begin with, and words that
    the inputs say in that word or a synonym; pieces of words are not among them.
    """

    def __init__(self, tokens: Tokens, first_slot: int, opening: str) -> None:
        """``begin`` are the tokens of the opening's first word: no other word may stand without a space before it."""
        begun = {t.stem for t in words_in(opening)}
        self.begin = tokens.encode(opening.split()[0])[:1]
        self._stems: list[str] = []
        self._ids, always = [], []
        for i in range(len(CONTROL), first_slot):
            piece = tokens.decode([i])
            word = piece.strip()
            if word and not any(c.isalnum() for c in word):
                always.append(i)
            elif word.isalpha() and piece.startswith(" "):
                stem = lexicon(LOCALE).stem(word.lower())
                if is_empty(stem) or stem in begun:
                    always.append(i)
                else:
                    self._ids.append(i)
                    self._stems.append(stem)
        self._always = np.array(always, np.int64)

    def of(self, inputs: Sequence[str]) -> Ids:
        """Return the tokens for one text, sorted."""
        shown = said_by(inputs)
        own = [i for i, stem in zip(self._ids, self._stems, strict=True) if stem in shown]
        return np.sort(np.concatenate([self._always, np.array(own, np.int64)]))


class Writer:
    """A trained model: a decoder on ONNX, and what makes rows of vectors."""

    def __init__(self, folder: Path, vectors: Vectors, *, threads: int = 1) -> None:
        """Open a folder that `benchmarks.xrec_train` wrote."""
        self._lm = open_decoder(folder / "decoder", threads=threads)
        with np.load(folder / "rows.npz", allow_pickle=False) as arrays:
            self._project, self._kind, self._slot = (arrays[n] for n in ("project", "kinds", "slots"))
        self.facts: Mapping[str, Any] = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
        self._words = Words(frozenset(self.facts["frame"]), frozenset(self.facts["aspects"]))
        self._vectors = vectors

    def write(self, pairs: Sequence[Pair], *, closed: bool = False) -> list[str]:
        """Return an explanation of each pair, decoded greedily; ``closed``: its claims are the inputs' words alone."""
        slots = [Slots.of(p, self._words) for p in pairs]
        prompts = [self._prompt(e) for e in examples(pairs, slots, self._vectors)]
        tokens, first = self._lm.tokens, self._lm.architecture.vocabulary - MAX_SLOTS - 1
        assert tokens is not None
        once = telling(tokens, first)
        world = ClosedWorld(tokens, first, self.facts["opening"]) if closed else None
        rules: list[Constraint] = [
            OwnWords(first, len(s.words), once)
            if world is None
            else OwnWords(first, len(s.words), once, world.of(p.inputs), world.begin)
            for s, p in zip(slots, pairs, strict=True)
        ]
        replies = self._lm.generate(prompts, max_new_tokens=MAX_NEW_TOKENS, constraint=rules)
        return [s.filled(pieces(r.ids.tolist(), tokens, first)) for s, r in zip(slots, replies, strict=True)]

    def _prompt(self, example: Example) -> Prompt:
        rows = example.vectors @ self._project + self._kind[example.kinds]
        rows[example.slots > 0] += self._slot[example.slots[example.slots > 0]]
        return Prompt((np.array([BEGIN], np.int64), rows.astype(np.float32), np.array([SEP], np.int64)))
