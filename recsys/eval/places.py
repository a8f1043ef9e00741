"""Lists in another order, and where a ranker puts the entries of a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.protocols import Ranker
from recsys.types import Request, Slates

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def new_places(ranker: Ranker, requests: Sequence[Request], slates: Slates) -> Places:
    """Return (m,) the place, from 0, at which ``ranker`` puts each entry of ``slates``.

    Raises:
        ContractError: it does not give back exactly what it was given.
    """
    ranked = ranker.rank(requests, slates, int(slates.lengths.max(initial=0)))
    old = np.lexsort((slates.items, slates.request_index))
    if not np.array_equal(ranked.offsets, slates.offsets):
        raise ContractError(f"{type(ranker).__name__} gave back lists of other lengths")
    new = np.lexsort((ranked.items, ranked.request_index))
    if not np.array_equal(ranked.items[new], slates.items[old]):
        raise ContractError(f"{type(ranker).__name__} gave back other items than it was given")
    places = np.empty(len(old), dtype=np.int64)
    places[old] = ranked.places[new]
    return places


def rearranged(slates: Slates, key: Floats) -> tuple[Slates, Places]:
    """Return every list sorted by ``key`` (m,), and (m,) where each entry of it came from.

    Scores fall with the place, 1, 1/2, 1/3, ...; columns travel with their items.
    """
    order = np.lexsort((key, slates.request_index))
    columns = {name: values[order] for name, values in slates.columns.items()}
    scores = (1.0 / (1 + slates.places)).astype(np.float32)
    return Slates(slates.items[order], scores, slates.offsets, columns), order


def square(slates: Slates, values: NDArray[Any]) -> Floats:
    """Return (b, longest) ``values`` (m,) with NaN behind shorter lists."""
    out = np.full((len(slates), int(slates.lengths.max(initial=0))), np.nan)
    out[slates.request_index, slates.places] = values
    return out
