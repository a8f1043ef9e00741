"""The reranker `bi-encoder`: one vector an item, and their cosines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.embed.cache import embed_items
from recsys.protocols import Embedder
from recsys_zero_shot.encoded import Encoded

# From so many texts on, vectors are looked up in, and added to, the cache on disk.
ON_DISK = 64


class BiEncoder(Encoded):
    """Cosines of the candidate's vector with those of the history items, and of the query in a search.

    Any embedder will do; with MiniLM nothing is trained and torch is not needed (Reimers & Gurevych 2019, arXiv
    1908.10084).
    """

    embedder: Embedder

    def __init__(self, config: Encoded.Config, items: ItemTable, embedder: Embedder) -> None:
        super().__init__(config, items, embedder)

    def encode(self, texts: Sequence[str], query: bool = False) -> list[NDArray[np.float32]]:
        """Return (1, d) for each text, (0, d) for one without any known word."""
        if query or len(texts) < ON_DISK:
            found = self.embedder.embed(texts, "query" if query else "item")
        else:
            found = embed_items(self.embedder, texts)
        return [row[None][: int(row.any())] for row in found]
