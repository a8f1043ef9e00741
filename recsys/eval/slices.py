"""Where a system is good and where not: groups of requests by their history and by how known their targets are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError, DataError
from recsys.targets import Targets
from recsys.types import ItemRows, Offsets

Masks = dict[str, NDArray[np.bool_]]

HISTORY_EDGES = (1, 5, 10)


def target_popularity_slices(targets: Targets, popularity: NDArray[Any], parts: int = 3) -> Masks:
    """Return a (b,) mask per group: "target cold", then "target rare", "target middle", "target popular".

    ``popularity`` (n_items,) counts the events of the fitted log. A request belongs where its rarest target does; cold
    = 0 events, or not in the catalogue; the others are cut into ``parts`` of about equal size (with other than 3
    parts: "target q1", the rarest, to "target qn"). A popularity is never split over two groups.
    """
    if parts < 1:
        raise ConfigError(f"parts must be at least 1, got {parts}")
    known = (targets.rows >= 0) & (targets.rows < len(popularity))
    events = np.zeros(len(targets.rows))
    events[known] = popularity[targets.rows[known]]
    rarest = np.full(len(targets), np.inf)
    np.minimum.at(rarest, targets.owner, events)
    warm = (rarest > 0) & np.isfinite(rarest)
    names = ["rare", "middle", "popular"] if parts == 3 else [f"q{i + 1}" for i in range(parts)]
    edges = np.quantile(rarest[warm], np.arange(1, parts) / parts) if warm.any() else np.empty(0)
    group = np.searchsorted(edges, rarest, side="left")
    return {
        "target cold": rarest == 0,
        **{f"target {name}": warm & (group == i) for i, name in enumerate(names)},
    }


def history_slices(lengths: NDArray[np.integer[Any]], edges: Sequence[int] = HISTORY_EDGES) -> Masks:
    """Return a (b,) mask per group of history ``lengths`` (b,): "history 0", "history 1-4", ..., "history 10+"."""
    if list(edges) != sorted(set(edges)) or not edges or edges[0] < 1:
        raise ConfigError(f"edges must rise and start at 1 or more, got {tuple(edges)}")
    bounds = [0, *edges]
    out: Masks = {}
    for low, high in zip(bounds, [*edges, None], strict=True):
        name = f"{low}+" if high is None else str(low) if high == low + 1 else f"{low}-{high - 1}"
        out[f"history {name}"] = (lengths >= low) & (lengths < high if high is not None else True)
    return out


def newcomer_slice(fitted: NDArray[np.integer[Any]]) -> Masks:
    """Return the (b,) mask "shopper cold": requests whose shopper has none of their events, (b,), in the fitted log.

    Such a shopper may well have a history at the time of the request: nothing was learned from it.
    """
    return {"shopper cold": fitted == 0}


def repeat_slices(targets: Targets, rows: ItemRows, offsets: Offsets) -> Masks:
    """Return the (b,) masks "target repeat", some target is in the request's history, and "target new", none is.

    ``rows`` and ``offsets`` are the histories, flat.
    """
    repeat = np.zeros(len(targets), dtype=np.bool_)
    repeat[targets.owner[targets.among(rows, offsets)]] = True
    return {"target repeat": repeat, "target new": ~repeat}


def slice_means(
    metrics: Mapping[str, NDArray[np.float32]], masks: Mapping[str, NDArray[np.bool_]]
) -> dict[str, dict[str, float]]:
    """Return {slice: {"requests": n, metric: mean, ...}}; a slice without requests is left out.

    Raises:
        DataError: a metric and a mask of different lengths.
    """
    out: dict[str, dict[str, float]] = {}
    for name, mask in masks.items():
        for metric, values in metrics.items():
            if len(values) != len(mask):
                raise DataError(f"{metric} has {len(values)} requests, slice {name!r} has {len(mask)}")
        if mask.any():
            out[name] = {"requests": int(mask.sum()), **{m: float(v[mask].mean()) for m, v in metrics.items()}}
    return out
