"""Three probes of what else a reranker listens to: the order of the history, the place of an item, its popularity.

Hou et al. 2024 (LLMRank, arXiv 2305.08845, sections 3.2 and 3.3) found of list-wise prompts that they hardly see the
order of a history, prefer candidates that stand early, and prefer popular ones. The probes take any `Ranker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.eval.places import Floats, Places, new_places, rearranged, square
from recsys.ndcg import worth
from recsys.paired import bootstrap_ci
from recsys.protocols import Ranker
from recsys.types import Events, ItemRows, Request, Slates, offsets_of

DIGITS = 12  # what differs only behind these is the same number, summed in another order


@dataclass(frozen=True, slots=True)
class HistoryOrder:
    """What is lost when the events of the histories are shuffled.

    ``difference`` is the mean of NDCG as given - shuffled over ``lists`` that hold their target, ``ci95`` its
    interval. ``tau`` is Kendall's between the two rankings, 1 = the order of the history changes nothing at all.
    """

    lists: int
    ndcg: float
    shuffled: float
    difference: float
    ci95: tuple[float, float]
    tau: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "ci95": list(self.ci95)}


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Where the target ends (``places``, 0 = first) and its NDCG, when it stood at each of ``positions``.

    ``slope``: by how many places it ends lower for each place that it stood lower; 0 = where it stands is nothing to
    the reranker, 1 = it ends where it stood. One that is told the incoming score, or may move an item only so far,
    leans on the place by design.
    """

    lists: int
    positions: tuple[int, ...]
    places: tuple[float, ...]
    ndcg: tuple[float, ...]
    slope: float
    ci95: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        named = asdict(self)
        return {n: list(v) if isinstance(v, tuple) else v for n, v in named.items()}


@dataclass(frozen=True, slots=True)
class PopularityBias:
    """Spearman's correlation, within a list, of the places that an item gains with its popularity; mean over lists.

    ``by_place``: how popular the item at each place of the ranking is, in standard deviations of its list.
    """

    lists: int
    correlation: float
    ci95: tuple[float, float]
    by_place: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "ci95": list(self.ci95), "by_place": list(self.by_place)}


def history_order(
    ranker: Ranker, requests: Sequence[Request], slates: Slates, targets: ItemRows, *, shuffles: int = 5,
    k: int = 10, seed: int = 0,
) -> HistoryOrder:  # fmt: skip
    """Rank with the histories as they are, and ``shuffles`` times with their events in random order.

    Times stay ascending: the events change places among them. Lists without their target, and histories of fewer than
    two events, are left out.

    Args:
        ranker: what is probed.
        requests, slates: (b,) as it would be asked; candidates in the incoming order.
        targets: (b,) the item that each shopper chose next.
        shuffles: how many random orders the second figure is a mean of.
        k: of NDCG@k.
        seed: of the random orders.

    Raises:
        DataError: no list is left, or ``targets`` has another length. ContractError: see `new_places`.
    """
    hit = _hit(slates, targets, len(requests))
    keep = [i for i in _lists_with(hit, slates) if len(requests[i].history) > 1]
    requests, slates, hit = _part(requests, slates, hit, keep)
    rng = np.random.default_rng(seed)
    places = new_places(ranker, requests, slates)
    given = worth(places[hit], k)
    shuffled, taus = np.zeros((2, len(requests)))
    for _ in range(shuffles):
        other = new_places(ranker, [_shuffled(r, rng) for r in requests], slates)
        shuffled += worth(other[hit], k)
        taus += _taus(square(slates, places), square(slates, other))
    shuffled, taus = shuffled / shuffles, taus / shuffles
    lost = np.round(given - shuffled, DIGITS)
    ci95 = bootstrap_ci(lost, seed=seed)
    return HistoryOrder(
        len(requests), float(given.mean()), float(shuffled.mean()), float(lost.mean()), ci95, float(taus.mean())
    )


def position_bias(
    ranker: Ranker, requests: Sequence[Request], slates: Slates, targets: ItemRows, *,
    positions: Sequence[int] | None = None, k: int = 10, seed: int = 0,
) -> PositionBias:  # fmt: skip
    """Rank each list with its target at each of ``positions`` and the other candidates in one random order.

    Without ``positions`` there are five, evenly from the first to the last place of the shortest list. Lists without
    their target, or too short, are left out. Incoming scores fall with the place; columns travel with their items.
    Arguments and errors are as in `history_order`.
    """
    hit = _hit(slates, targets, len(requests))
    need = 2 if positions is None else max(positions, default=0) + 1
    keep = [i for i in _lists_with(hit, slates) if slates.lengths[i] >= need]
    requests, slates, hit = _part(requests, slates, hit, keep)
    if positions is None:
        positions = np.unique(np.linspace(0, int(slates.lengths.min()) - 1, 5).round()).astype(int).tolist()
    if len(set(positions)) < 2 or min(positions) < 0:
        raise DataError(f"a slope needs at least two positions from 0 on, got {list(positions)}")
    others = np.random.default_rng(seed).random(len(slates.items))
    found = np.empty((len(requests), len(positions)))
    for at, position in enumerate(positions):
        arranged, mine = _with_target_at(slates, hit, others, position)
        found[:, at] = new_places(ranker, requests, arranged)[mine]
    x = np.asarray(positions) - np.mean(positions)
    slopes = np.round(found @ x / (x @ x), DIGITS)
    return PositionBias(
        len(requests), tuple(positions), tuple(found.mean(axis=0).tolist()),
        tuple(worth(found, k).mean(axis=0).tolist()), float(slopes.mean()), bootstrap_ci(slopes, seed=seed),
    )  # fmt: skip


def popularity_bias(
    ranker: Ranker, requests: Sequence[Request], slates: Slates, popularity: NDArray[Any], *,
    targets: ItemRows | None = None, shuffles: int = 3, seed: int = 0,
) -> PopularityBias:  # fmt: skip
    """Rank each list in ``shuffles`` random orders and hold the places that items gain against their popularity.

    Args:
        ranker, requests, slates, seed: as in `history_order`.
        popularity: (n_items,) events of each item, or anything that rises with them.
        targets: (b,) items that do not count: what was chosen next may be popular, and go up, for good reasons.
        shuffles: random orders, whose means are taken.

    Raises:
        DataError: no list has two items of different popularity. ContractError: see `new_places`.
    """
    counted = np.ones(len(slates.items), dtype=np.bool_)
    if targets is not None:
        counted = slates.items != targets[slates.request_index]
    famous = _counted(slates, counted, popularity)
    spread = np.nanmax(famous, axis=1, initial=-np.inf) > np.nanmin(famous, axis=1, initial=np.inf)
    keep = np.flatnonzero(spread).tolist()
    if not keep:
        raise DataError("no list has two items of different popularity")
    requests, slates, counted = _part(requests, slates, counted, keep)
    famous = _counted(slates, counted, popularity)
    rng = np.random.default_rng(seed)
    correlations = np.zeros(len(requests))
    standing: list[Floats] = []
    for _ in range(shuffles):
        arranged, order = rearranged(slates, rng.random(len(slates.items)))
        places = np.empty(len(order), dtype=np.int64)
        places[order] = new_places(ranker, requests, arranged)
        before = np.empty(len(order), dtype=np.int64)
        before[order] = arranged.places
        gain = square(slates, np.where(counted, before - places, np.nan))
        correlations += _correlations(_ranks(gain), _ranks(famous)) / shuffles
        standing.append(_by_place(slates, places, famous))
    by_place = np.mean(standing, axis=0)
    return PopularityBias(
        len(requests), float(correlations.mean()), bootstrap_ci(correlations, seed=seed), tuple(by_place.tolist())
    )


def _counted(slates: Slates, counted: NDArray[np.bool_], popularity: NDArray[Any]) -> Floats:
    return square(slates, np.where(counted, popularity[slates.items].astype(np.float64), np.nan))


def _hit(slates: Slates, targets: ItemRows, b: int) -> NDArray[np.bool_]:
    if len(targets) != b or len(slates) != b:
        raise DataError(f"{b} requests, {len(slates)} lists and {len(targets)} targets do not belong together")
    return np.asarray(slates.items == targets[slates.request_index])


def _lists_with(hit: NDArray[np.bool_], slates: Slates) -> list[int]:
    # A list that holds its target twice has no one place of it.
    times = np.bincount(slates.request_index[hit], minlength=len(slates))
    return [int(i) for i in np.flatnonzero(times == 1)]


def _part(
    requests: Sequence[Request], slates: Slates, flags: NDArray[np.bool_], keep: Sequence[int]
) -> tuple[list[Request], Slates, NDArray[np.bool_]]:
    """Return the lists ``keep`` alone."""
    if not keep:
        raise DataError("no list can be probed: each needs its target, and two items or events at least")
    chosen = np.zeros(len(slates), dtype=np.bool_)
    chosen[list(keep)] = True
    entries = np.repeat(chosen, slates.lengths)
    columns = {name: values[entries] for name, values in slates.columns.items()}
    part = Slates(slates.items[entries], slates.scores[entries], offsets_of(slates.lengths[chosen]), columns)
    return [requests[i] for i in keep], part, flags[entries]


def _shuffled(request: Request, rng: np.random.Generator) -> Request:
    history = request.history
    mixed: Events = history.take(rng.permutation(len(history)))
    return replace(request, history=replace(mixed, times=history.times))


def _with_target_at(slates: Slates, hit: NDArray[np.bool_], others: Floats, position: int) -> tuple[Slates, Places]:
    """Return the lists with the target at ``position``, the others by ``others``, and where the targets stand."""
    last = np.where(hit, np.inf, others)  # all others in order, the target behind them
    rank = np.empty(len(hit), dtype=np.float64)
    rank[np.lexsort((last, slates.request_index))] = slates.places
    arranged, _ = rearranged(slates, np.where(hit, position - 0.5, rank))
    return arranged, slates.offsets[:-1] + position


def _taus(a: Floats, b: Floats) -> Floats:
    """Return (b,) Kendall's tau of each line of two rankings; of fewer than two entries 1."""
    agree = np.nan_to_num(np.sign(a[:, :, None] - a[:, None, :]) * np.sign(b[:, :, None] - b[:, None, :]))
    n = np.sum(~np.isnan(a), axis=1)
    pairs = n * (n - 1)
    return np.where(pairs > 0, agree.sum(axis=(1, 2)) / np.maximum(pairs, 1), 1.0)


def _ranks(values: Floats) -> Floats:
    """Return (b, w) mean ranks within each line; NaN stays."""
    less = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    same = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return np.where(np.isnan(values), np.nan, less + (same - 1) / 2)


def _correlations(a: Floats, b: Floats) -> Floats:
    """Return (b,) Pearson's correlation of each line; 0 where nothing varies."""
    x = a - np.nanmean(a, axis=1, keepdims=True)
    y = b - np.nanmean(b, axis=1, keepdims=True)
    size = np.sqrt(np.nansum(x * x, axis=1) * np.nansum(y * y, axis=1))
    return np.where(size > 0, np.nansum(x * y, axis=1) / np.where(size > 0, size, 1), 0.0)


def _by_place(slates: Slates, places: Places, famous: Floats) -> Floats:
    """Return (longest,) the mean standardised popularity at each place; entries that do not count leave a gap."""
    centred = famous - np.nanmean(famous, axis=1, keepdims=True)
    standard = centred / np.nanstd(famous, axis=1, keepdims=True)
    out = np.full(famous.shape, np.nan)
    out[slates.request_index, places] = standard[slates.request_index, slates.places]
    known = ~np.isnan(out)
    return np.asarray(np.nansum(out, axis=0) / np.maximum(known.sum(axis=0), 1))
