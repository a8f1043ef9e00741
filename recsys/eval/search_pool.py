"""Everything that the generators find for a set of queries, once: what all rows of a search evaluation share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import Fusion, score_all, union
from recsys.embed.remember import Remembered
from recsys.rank.features.query import with_features
from recsys.requests import CHUNK
from recsys.types import Request, Slates, offsets_of

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """``lists`` are each generator's own, ``slates`` their union with complete columns, cut to the best fused ones."""

    requests: Sequence[Request]
    lists: Mapping[str, Slates]
    slates: Slates

    def part(self, mask: NDArray[np.bool_]) -> Pool:
        """Return the requests of ``mask`` (q,) and their candidates, without the single lists."""
        return Pool([r for r, m in zip(self.requests, mask, strict=True) if m], {}, rows_of(self.slates, mask))


def collect(
    texts: Sequence[str], finders: Mapping[str, Any], singles: Mapping[str, Any], depth: int, n: int,
    tell: Tell = lambda done: None,
) -> Pool:  # fmt: skip
    """Return what ``finders`` (united) and ``singles`` (lists only) find for each text.

    ``depth`` bounds every single list; the ``n`` best by the plain sum of max-normalised scores stay in the union.
    """
    requests = [Request(text=text) for text in texts]
    lists: dict[str, list[Slates]] = {name: [] for name in {**finders, **singles}}
    united = []
    for begin in range(0, len(requests), CHUNK):
        part = requests[begin : begin + CHUNK]
        found = {name: g.generate(part, depth) for name, g in {**finders, **singles}.items()}
        for name, slates in found.items():
            lists[name].append(slates)
        united.append(_complete(part, {name: found[name] for name in finders}, finders, n))
        tell(begin + len(part))
    return Pool(requests, {name: Slates.joined(parts) for name, parts in lists.items()}, Slates.joined(united))


def _complete(requests: Sequence[Request], found: Mapping[str, Slates], finders: Mapping[str, Any], n: int) -> Slates:
    # The stages of a search as it is served: unite, score completely, fuse, describe.
    scored = score_all(requests, union(found, len(requests)), finders)
    fused = Fusion().fuse(scored, list(finders), n)
    return with_features(requests, fused, finders)


def remember(generators: Iterable[Any], size: int, shared: bool) -> None:
    """Give generators that read queries by a pretrained model a new memory, one for all of a model if ``shared``."""
    memories: dict[str, Remembered] = {}
    for generator in generators:
        found = getattr(generator, "embedder", None)
        if isinstance(found, Remembered):
            fresh = Remembered(found.embedder, size)
            generator.embedder = memories.setdefault(found.model_id, fresh) if shared else fresh


def rows_of(slates: Slates, mask: NDArray[np.bool_]) -> Slates:
    """Return the lists of the requests of ``mask`` (b,)."""
    keep = mask[slates.request_index]
    columns = {name: values[keep] for name, values in slates.columns.items()}
    return Slates(slates.items[keep], slates.scores[keep], offsets_of(slates.lengths[mask]), columns)
