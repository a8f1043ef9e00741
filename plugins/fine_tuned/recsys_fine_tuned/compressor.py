"""Compressed items: the text of an item as a few vectors, made offline, that a model reads instead of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.embed.cache import embed_items
from recsys.protocols import Embedder

# What is read of an item, one vector each, by a pretrained encoder.
FIELDS = ("text", "title", "categories", "brand")
# Of so many texts on, vectors are looked up in, and added to, the cache on disk.
ON_DISK = 64

TextUse = Literal["items", "permuted", "none"]
Compressed = NDArray[np.float16]  # (n, k, d): k vectors an item, zeros for a field without words


def field_texts(items: ItemTable, rows: Sequence[int] | NDArray[np.int64]) -> list[list[str]]:
    """Return for each of `FIELDS` the texts of ``rows``."""
    listed = [int(r) for r in rows]
    return [
        [items.text(r) for r in listed],
        [items.titles[r] for r in listed],
        [" ".join(items.categories[r]) for r in listed],
        [items.brands[r] for r in listed],
    ]


def compress(items: ItemTable, embedder: Embedder, rows: Sequence[int] | NDArray[np.int64]) -> Compressed:
    """Return ``(len(rows), len(FIELDS), dim)`` float16: each field by ``embedder``, by the hash of its content.

    Equal texts are embedded once; vectors of pretrained embedders are kept on disk (`recsys.embed.cache`).
    """
    out = np.zeros((len(rows), len(FIELDS), embedder.dim), np.float16)
    for place, texts in enumerate(field_texts(items, rows)):
        spoken = [i for i, text in enumerate(texts) if text]
        if not spoken:
            continue
        words = [texts[i] for i in spoken]
        made = embed_items(embedder, words) if len(words) >= ON_DISK else embedder.embed(words, "item")
        out[spoken, place] = made.astype(np.float16)
    return out


def shuffled(n: int, use: TextUse, seed: int = 7) -> NDArray[np.int64]:
    """Return (n,) whose text each item has: its own, or for the control "permuted" that of some item, each once."""
    return np.random.default_rng(seed).permutation(n) if use == "permuted" else np.arange(n, dtype=np.int64)
