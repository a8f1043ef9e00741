"""Which part of a history a prompt keeps first when not all of it fits: the latest, or what fits the question.

The retriever of LaMP (Salemi et al. 2024, arXiv 2304.11406), over one shopper's own items.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

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
