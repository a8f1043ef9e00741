"""Explanations of given pairs: texts by simple rules, published texts, anybody's texts, measured on the same rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from recsys.data.xrec import Pair
from recsys.errors import DataError
from recsys.eval.compare import Comparison
from recsys.eval.generation import PER_TEXT, Generation, Measured, comparisons, taken
from recsys.eval.generation_words import Words, runs
from recsys.protocols import Embedder

TEMPLATE, EXTRACTIVE, OTHERS, PUBLISHED, REFERENCE = (
    "template", "extractive", "another pair's reference", "published", "reference",
)  # fmt: skip
OPENING_WORDS = 4
COMPARED = ("rouge-l", "similarity", "support", "aspects")  # what systems are compared by
NAMED = 3  # parts of the inputs that a template names
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


def opening(references: Sequence[str]) -> str:
    """Return the words that most training references begin with: "The user would enjoy"."""
    if not references:
        raise DataError("there is no training reference to take an opening from")
    begun = Counter(" ".join(r.split()[:OPENING_WORDS]) for r in references)
    return min(begun, key=lambda words: (-begun[words], words))


def templates(pairs: Sequence[Pair], train: Sequence[Pair], words: Words) -> list[str]:
    """Return a fixed sentence for each pair: how references begin, the title, and what shopper and item share.

    Named are at most three parts of the item's summary that claim something in a row ("cozy atmosphere"): those with
    most words of the shopper's summary first, then the rarest among the summaries of the training items.
    """
    begin = opening([p.explanation for p in train])
    summaries = [set(words.content(p.item_summary)) for p in train]
    counts = Counter(chain.from_iterable(summaries))
    rare = {stem: math.log((1 + len(summaries)) / (1 + n)) for stem, n in counts.items()}
    unseen = math.log(1 + len(summaries))
    out = []
    for pair in pairs:
        wanted, title = set(words.content(pair.user_summary)), set(words.content(pair.title))
        parts = {stems: text for text, stems in runs(pair.item_summary, words) if not title >= set(stems)}
        best = sorted(
            parts, key=lambda stems: (-len(wanted & set(stems)), -sum(rare.get(s, unseen) for s in stems) / len(stems))
        )
        named = [parts[stems] for stems in best[:NAMED]]
        out.append(f"{begin} {pair.title} because of {_listed(named)}." if named else f"{begin} {pair.title}.")
    return out


def extracts(pairs: Sequence[Pair], embedder: Embedder) -> list[str]:
    """Return one sentence of the summaries of each pair, word for word: the one that both sides support best.

    A sentence is as good as the cosines of its vector to the shopper's summary and to the item's (with the title),
    added up; of equal ones the first is taken, and the item's stand before the shopper's.
    """
    sentences = [_sentences(p) for p in pairs]
    texts = list(dict.fromkeys(chain(
        *sentences, (p.user_summary for p in pairs), (_item_side(p) for p in pairs),
    )))  # fmt: skip
    place = {text: i for i, text in enumerate(texts)}
    vectors = embedder.embed(texts, "item")
    out = []
    for pair, own in zip(pairs, sentences, strict=True):
        sides = vectors[[place[pair.user_summary], place[_item_side(pair)]]]
        scores = (vectors[[place[s] for s in own]] @ sides.T).sum(axis=1).round(5)
        out.append(own[int(scores.argmax())])
    return out


def borrowed(pairs: Sequence[Pair], train: Sequence[Pair], seed: int = 0) -> list[str]:
    """Return the reference of a random training pair for each: what fluent text about something else scores."""
    drawn = np.random.default_rng(seed).integers(0, len(train), len(pairs))
    return [train[i].explanation for i in drawn.tolist()]


def rule_texts(pairs: Sequence[Pair], train: Sequence[Pair], words: Words, embedder: Embedder) -> dict[str, list[str]]:
    """Return the texts of every system that needs no training beyond counting words, and the references."""
    return {
        TEMPLATE: templates(pairs, train, words), EXTRACTIVE: extracts(pairs, embedder),
        OTHERS: borrowed(pairs, train), REFERENCE: [p.explanation for p in pairs],
    }  # fmt: skip


def measure_pairs(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]], words: Words, embedder: Embedder, *, seed: int = 0
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield one line for each group of rows and system: {"rows", "n", "system", "figures", "versus"}.

    Groups: "all" pairs, and "published", the pairs that have a published text, where that system stands beside the
    others; where every pair has one, "published" alone. ``texts`` has one text a pair for each system. A system is
    compared with "extractive" and with "published" where they are there (``versus``: baseline -> metric -> figures).
    """
    gen = Generation([p.explanation for p in pairs], [p.inputs for p in pairs], words, embedder)
    found = {name: gen.measure(list(own)) for name, own in texts.items()}
    have = np.array([i for i, p in enumerate(pairs) if p.published is not None], dtype=np.int64)
    if len(have) < len(pairs):
        yield from _lines("all", found, seed)
    if len(have):
        some = {name: taken(m, texts[name], gen.references, have) for name, m in found.items()}
        few = [pairs[i] for i in have.tolist()]
        part = Generation([p.explanation for p in few], [p.inputs for p in few], words, embedder)
        some[PUBLISHED] = part.measure([p.published or "" for p in few])
        yield from _lines("published", some, seed)


def _lines(group: str, found: Mapping[str, Measured], seed: int) -> Iterator[dict[str, Any]]:
    rivals = {name: m for name, m in found.items() if name != REFERENCE}
    versus = {
        base: comparisons(rivals, base, COMPARED, seed=seed) for base in (EXTRACTIVE, PUBLISHED) if base in rivals
    }
    for name, measured in found.items():
        beside = {
            base: {m: _told(by_metric[m][name]) for m in COMPARED}
            for base, by_metric in versus.items()
            if name in by_metric[COMPARED[0]]
        }
        yield {
            "rows": group, "n": len(measured.per_text[PER_TEXT[0]]), "system": name,
            "figures": measured.figures(seed=seed), "versus": beside,
        }  # fmt: skip


def _told(one: Comparison) -> dict[str, Any]:
    return {
        "difference": round(one.effect.difference, 4), "ci95": [round(v, 4) for v in one.effect.ci95],
        "p": round(one.p, 5), "p_holm": round(one.p_holm, 5),
    }  # fmt: skip


def _sentences(pair: Pair) -> list[str]:
    return [s for text in (pair.item_summary, pair.user_summary) for s in _SENTENCE.split(text.strip()) if s]


def _item_side(pair: Pair) -> str:
    return f"{pair.title}. {pair.item_summary}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
