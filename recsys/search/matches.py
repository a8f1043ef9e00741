"""What a text index answers to queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.search.facets import Facets
from recsys.search.lexicon import Ragged
from recsys.search.query import Query
from recsys.types import Slates


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Answers to a batch of queries, one entry of every tuple a query.

    A product *matches* when it has every word of the query; where no product does, when it has what was left of the
    query after words were given up.

    Attributes:
        queries: as they were understood; a relaxed one as it was understood at last.
        slates: the best rows, with the column "matches": rows behind those that match hold only some of the words.
        totals: (q,) how many allowed products match.
        corrections: {typed: used}.
        dropped: the words that were given up. relaxed: the same and what else was done, in plain words.
        facets: counts over the products that match, None where they were not asked for.
        variants: rows folded under each entry of ``slates``; None without folding.
    """

    queries: tuple[Query, ...]
    slates: Slates
    totals: NDArray[np.int64]
    corrections: tuple[Mapping[str, str], ...]
    dropped: tuple[tuple[str, ...], ...]
    relaxed: tuple[tuple[str, ...], ...]
    facets: tuple[Facets | None, ...]
    variants: Ragged | None = None

    def __len__(self) -> int:
        return len(self.queries)
