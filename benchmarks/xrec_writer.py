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
from recsys.eval.generation_words import Words
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


class OwnSlots:
    """Lets a model name each word of its own inputs once, and the item as often as it likes."""

    def __init__(self, vocabulary: int, first_slot: int, own: int) -> None:
        self._always = np.arange(len(CONTROL), first_slot + 1, dtype=np.int64)
        self._own = range(first_slot + 1, min(first_slot + 1 + own, vocabulary))

    def start(self) -> frozenset[int]:
        return frozenset()

    def allowed(self, state: frozenset[int]) -> Ids:
        return np.concatenate([self._always, np.array([s for s in self._own if s not in state], np.int64)])

    def step(self, state: frozenset[int], token: int) -> frozenset[int]:
        return state | {token} if token in self._own else state

    def done(self, state: frozenset[int]) -> bool:
        return True


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

    def write(self, pairs: Sequence[Pair]) -> list[str]:
        """Return an explanation of each pair, decoded greedily."""
        slots = [Slots.of(p, self._words) for p in pairs]
        prompts = [self._prompt(e) for e in examples(pairs, slots, self._vectors)]
        vocabulary, first = self._lm.architecture.vocabulary, self._lm.architecture.vocabulary - MAX_SLOTS - 1
        rules: list[Constraint] = [OwnSlots(vocabulary, first, len(s.words)) for s in slots]
        replies = self._lm.generate(prompts, max_new_tokens=MAX_NEW_TOKENS, constraint=rules)
        tokens = self._lm.tokens
        assert tokens is not None
        return [s.filled(pieces(r.ids.tolist(), tokens, first)) for s, r in zip(slots, replies, strict=True)]

    def _prompt(self, example: Example) -> Prompt:
        rows = example.vectors @ self._project + self._kind[example.kinds]
        rows[example.slots > 0] += self._slot[example.slots[example.slots > 0]]
        return Prompt((np.array([BEGIN], np.int64), rows.astype(np.float32), np.array([SEP], np.int64)))
