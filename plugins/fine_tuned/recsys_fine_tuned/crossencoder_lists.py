"""What a cross-encoder learns from: lists of the engine as token pairs, with the order that came in; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.ndcg import scored
from recsys.rerank.encoder import CrossEncoded, pairs_of
from recsys.rerank.mixing import place_prior
from recsys.runtime.segments import Segments
from recsys.runtime.tokens import Tokens
from recsys.types import Request, Slates

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Batch = dict[str, NDArray[np.generic]]
LABEL = "label"
NEVER = -1e9
# How much the logarithm of a place may say: below, a trained pair score could not be put on the prior's scale.
SCALES = np.geomspace(0.1, 10, 61)


class Lists(NamedTuple):
    """Requests, their lists as the earlier stages made them, and ``labels`` (m,) of the entries, > 0 = chosen.

    The scores of the lists must not have seen the labels: the engine's out-of-fold lists, or later ones.
    """

    requests: Sequence[Request]
    slates: Slates
    labels: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Lists cut up: for each of l lists with w places the pair of each place, or none.

    Attributes:
        ids, types: of each distinct pair, (t_i,). pair: (l, w) which of them, -1 = no entry.
        prior, labels: (l, w) float32, 0 where there is no entry; prior is minus the logarithm of the place.
    """

    ids: tuple[Ints, ...]
    types: tuple[Ints, ...]
    pair: Ints
    prior: Floats
    labels: Floats

    def batch(self, rows: Ints, take: NDArray[np.bool_]) -> Batch:
        """Return the entries ``take`` (r, w) of the lists ``rows``: padded ids, types, mask (p, t), places, lists."""
        pair = self.pair[rows]
        at = np.flatnonzero(take & (pair >= 0))
        chosen = pair.ravel()[at]
        width = max(len(self.ids[k]) for k in chosen)
        ids, types, mask = (np.zeros((len(chosen), width), np.int64) for _ in range(3))
        for row, k in enumerate(chosen):
            n = len(self.ids[k])
            ids[row, :n], types[row, :n], mask[row, :n] = self.ids[k], self.types[k], 1
        there = np.zeros(pair.size, np.bool_)
        there[at] = True
        return {
            "ids": ids, "types": types, "mask": mask, "place": at, "prior": self.prior[rows],
            "labels": np.where(there.reshape(pair.shape), self.labels[rows], 0).astype(np.float32),
            "there": there.reshape(pair.shape),
        }  # fmt: skip


def cut(
    given: Lists, items: ItemTable, reading: CrossEncoded.Config, tokens: Tokens, segments: Segments, depth: int
) -> Cut:
    """Return the best ``depth`` of each list that holds a chosen and an unchosen entry with something to read.

    Raises:
        DataError: there is no such list.
    """
    slates = given.slates.ordered(given.slates.scores, depth, **{LABEL: np.asarray(given.labels, np.float32)})
    places, pairs = pairs_of(reading, items, given.requests, slates)
    b, width = len(slates), int(slates.lengths.max(initial=1))
    owner = slates.request_index
    column = slates.places
    distinct = {p: k for k, p in enumerate(dict.fromkeys(pairs))}
    pair = np.full((b, width), -1, np.int64)
    pair[owner[places], column[places]] = [distinct[p] for p in pairs]
    prior, labels = np.zeros((b, width), np.float32), np.zeros((b, width), np.float32)
    prior[owner, column] = place_prior(slates)
    labels[owner[places], column[places]] = slates.columns[LABEL][places] > 0
    count = labels.sum(axis=1)
    useful = np.flatnonzero((count > 0) & (count < (pair >= 0).sum(axis=1)))
    if not len(useful):
        raise DataError("a cross-encoder needs lists with a chosen and an unchosen item and something said: got none")
    texts = {t: k for k, t in enumerate(dict.fromkeys(t for p in distinct for t in p))}
    read = tokens.encode_all(list(texts))
    both = [segments.double(read[texts[a]], read[texts[b]], reading.max_tokens) for a, b in distinct]
    return Cut(tuple(i for i, _ in both), tuple(t for _, t in both), pair[useful], prior[useful], labels[useful])


def epochs(given: Cut, lists: int, hard: int, drawn: int) -> Callable[[np.random.Generator], Iterator[Batch]]:
    """Return one epoch of batches of ``lists`` lists, shuffled.

    Of each list all chosen entries are read, the ``hard`` best others, which the earlier stages took for better, and
    ``drawn`` of the rest, others every epoch.
    """
    there = given.pair >= 0
    other = there & (given.labels == 0)
    best = other & (np.cumsum(other, axis=1) <= hard)

    def epoch(rng: np.random.Generator) -> Iterator[Batch]:
        order = rng.permutation(len(there))
        luck = np.where(other & ~best, rng.random(there.shape), np.inf)
        bound = np.sort(luck, axis=1)[:, min(drawn, luck.shape[1]) - 1][:, None] if drawn else np.full((1, 1), -np.inf)
        take = (given.labels > 0) | best | ((luck <= bound) & np.isfinite(luck))
        for begin in range(0, len(order), lists):
            rows = order[begin : begin + lists]
            yield given.batch(rows, take[rows])

    return epoch


def prior_scale(given: Cut) -> float:
    """Return how many nats one unit of the prior is worth: what makes the chosen entries likeliest by it alone."""
    mask, share = given.pair >= 0, given.labels / given.labels.sum(axis=1, keepdims=True)
    losses = []
    for scale in SCALES:
        logits = np.where(mask, scale * given.prior.astype(np.float64), NEVER)
        chance = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        losses.append(-(share * np.where(mask, chance, 0)).sum(axis=1).mean())
    return float(SCALES[int(np.argmin(losses))])


def ndcg(scores: Floats, labels: Floats, k: int = 10) -> float:
    """Return the mean NDCG at ``k`` of lists (l, w); places without an entry have a score of `NEVER`, no label."""
    return float(scored(scores, labels, k).mean())
