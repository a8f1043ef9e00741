"""Which part of a history a prompt keeps first when not all of it fits, and worked examples made of it.

The retriever of LaMP (Salemi et al. 2024, arXiv 2304.11406), over one shopper's own items, and the in-context examples
of LLMRank (Hou et al. 2024, arXiv 2305.08845). Nobody else's history is ever an example: prompts hold one shopper.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from recsys.rerank.request import RequestSchema

Retrieval = Literal["recent", "relevant", "both"]
# Of reciprocal-rank fusion (Cormack et al. 2009), scaled down to histories of tens of items.
_FLAT = 10


def keep_order(entries: Sequence[set[str]], question: set[str], by: Retrieval) -> list[int]:
    """Return the places of ``entries``, oldest first as given, in the order in which they are to be kept.

    ``entries`` are the words of each history item, ``question`` those of the query or of the candidates. "recent"
    takes the latest first; "relevant" those that share the rarest words with the question, the latest among equals;
    "both" fuses the two orders.
    """
    recent = list(range(len(entries)))[::-1]
    if by == "recent" or not question:
        return recent
    found = Counter(word for entry in entries for word in entry)
    rarity = {w: math.log(1 + len(entries) / found[w]) for w in question if w in found}
    # A long title shares words by chance: the square root is half of cosine's remedy.
    fit = [sum(rarity.get(w, 0.0) for w in sorted(e & question)) / math.sqrt(max(len(e), 1)) for e in entries]
    relevant = sorted(recent, key=lambda place: -round(fit[place], 9))
    if by == "relevant":
        return relevant
    fused = dict.fromkeys(recent, 0.0)
    for order in (recent, relevant):
        for rank, place in enumerate(order):
            fused[place] += 1 / (_FLAT + rank)
    return sorted(recent, key=lambda place: -round(fused[place], 9))


def own_examples(schema: RequestSchema, shots: int, candidates: Collection[int]) -> list[tuple[tuple[int, ...], int]]:
    """Return at most ``shots`` pairs (what was chosen until then, what was chosen next), the latest first.

    Whatever is a candidate now is no example's answer: a prompt must not name what it asks for.
    """
    ends = [end for end in range(len(schema.liked) - 1, 0, -1) if schema.liked[end] not in candidates]
    return [(schema.liked[:end], schema.liked[end]) for end in ends[:shots]]


def own_ratings(schema: RequestSchema, shots: int, candidates: Collection[int]) -> list[tuple[int, str]]:
    """Return at most ``shots`` pairs (row, rating that the shopper gave), the latest first; none of a candidate."""
    rated = [(row, act.split()[1]) for row, act in reversed(schema.acts) if act.startswith("rated ")]
    return [(row, rating) for row, rating in rated if row not in candidates][:shots]
