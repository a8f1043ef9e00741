"""Words that two texts share, the rare ones counting more: what an encoder blurs, a model number or a platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.embed.words import words
from recsys.history import profile
from recsys.types import ItemRows, Request, Scores


class Rarity:
    """How rare a word is among some texts: log(1 + n / how many hold it); one that none holds is as one in one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._held = Counter(word for text in texts for word in set(words(text)))
        self._n = len(texts)

    def vectors(self, texts: Sequence[str]) -> sparse.csr_array:
        """Return ``(len(texts), v)``: the rarities of each text's words, rows of length 1 or empty."""
        places: dict[str, int] = {}
        sets = [sorted(set(words(text))) for text in texts]
        columns = [places.setdefault(word, len(places)) for held in sets for word in held]
        values = np.array([np.log1p(self._n / max(self._held[w], 1)) for held in sets for w in held], np.float32)
        lengths = np.array([len(held) for held in sets], np.int64)
        owner = np.repeat(np.arange(len(sets)), lengths)
        norm = np.sqrt(np.bincount(owner, values.astype(np.float64) ** 2, len(sets)))
        values = (values / norm[owner]).astype(np.float32) if len(values) else values
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return sparse.csr_array((values, np.array(columns, np.int64), starts), shape=(len(sets), max(len(places), 1)))


def shared(
    requests: Sequence[Request], owner: NDArray[np.int64], at: NDArray[np.int64], needed: ItemRows,
    said: sparse.csr_array, *, n_items: int, decay: float, limit: int,
) -> Scores:  # fmt: skip
    """Return (m,) the mean likeness in words of each entry to its request's history, NaN without one.

    Args:
        owner, at: (m,) the request of each entry, and its item as a place in ``needed``.
        needed: ascending item rows, those of all histories among them; ``said`` are their words.
    """
    taste = profile(requests, n_items, decay, limit, normalise=True)[:, needed] @ said
    found = taste[owner].multiply(said[at]).sum(axis=1)
    some = np.diff(taste.indptr)[owner] > 0
    return np.where(some, np.asarray(found).ravel(), np.nan).astype(np.float32)
