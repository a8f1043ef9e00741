"""The demo's lists against what its simulator knows: every shopper's tastes, and what they would do next.

The two are not the same: three in ten acts complete something that was just bought, and as many have no reason that has
to do with the shopper. A list may come nearer to the next act and be further from the tastes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.demo_variants import PLAIN, variants_of
from recsys.eval.metrics import per_request
from recsys.ndcg import DEPTH, discounts
from recsys.paired import bootstrap_ci, paired_randomisation
from recsys.requests import compile_filter, seen
from recsys.result import Result
from recsys.targets import Targets
from recsys.types import Slates

if TYPE_CHECKING:
    from recsys.demo import Demo

POPULARITY = "popularity"
TASTES, NEXT = "ndcg@10", "next@10"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grades:
    """Figures of each of b shoppers, (b,), by measure and then by list.

    ``ndcg@10`` has linear gains 0..3 by the shopper's own order of the items that may be shown. ``next@10`` is the
    NDCG@10 that a list has on average over what the shopper may do next: exact, as the simulator knows every chance.
    Lists: "" is the engine's, then the names of variants, "popularity", "random" and "oracle" (of tastes, or of acts).
    """

    values: Mapping[str, Mapping[str, Values]]

    def means(self) -> dict[str, float]:
        """Return the means against tastes: "ndcg@10", "ndcg@10_popularity"..."""
        return {TASTES + (f"_{name}" if name else ""): _mean(v) for name, v in self.values[TASTES].items()}

    def of_variants(self, names: Sequence[str], usual: str) -> dict[str, dict[str, Any]]:
        """Return both means of each variant and, under "against", how the others differ from `PLAIN`.

        ``difference`` comes with its ``ci95`` and the two-sided ``p`` of a paired randomisation test.
        """
        out: dict[str, dict[str, Any]] = {}
        for name in names:
            key = "" if name == usual else name
            own = {measure: lists[key] for measure, lists in self.values.items()}
            out[name] = {measure: _mean(v) for measure, v in own.items()}
            if name != PLAIN:
                plain = "" if usual == PLAIN else PLAIN
                against = {m: compared(v, self.values[m][plain]) for m, v in own.items()}
                out[name] |= {"shoppers": len(own[TASTES]), "against": against}
        return out


def compared(system: Values, baseline: Values) -> dict[str, Any]:
    """Return the mean difference over the same shoppers, its 95 % interval, and p."""
    d = system - baseline
    return {
        "difference": round(float(d.mean()), 5), "ci95": [round(end, 5) for end in bootstrap_ci(d)],
        "p": round(paired_randomisation(system, baseline), 4),
    }  # fmt: skip


def graded(demo: Demo, n: int, seed: int = 0) -> Grades:
    """Return the figures of ``n`` shoppers drawn by seed, of the engine, its variants and three controls."""
    log, items = demo.shop.dataset.log, demo.shop.dataset.items
    rng = np.random.default_rng(seed)
    users = np.sort(rng.choice(log.n_users, min(n, log.n_users), replace=False))
    names = [log.users[u] for u in users]
    open_now = compile_filter(items)
    allowed = np.stack([_without_seen(demo, name, open_now) for name in names])
    every = np.broadcast_to(np.arange(len(items)), allowed.shape)
    gains = np.where(allowed, demo.shop.truth.gains(users, every), 0)
    utility = np.where(allowed, demo.shop.truth.utility(users), -np.inf)
    chances = np.where(allowed, _chances(demo, users), 0)
    lists = _lists(demo, names)
    lists["random"] = [rng.permutation(np.flatnonzero(row))[:DEPTH].tolist() for row in allowed]
    by_taste, by_chance = _best(utility), _best(chances)
    tastes = {name: tasted(found, gains) for name, found in {**lists, "oracle": by_taste}.items()}
    following = {name: foreseen(found, chances) for name, found in {**lists, "oracle": by_chance}.items()}
    return Grades({TASTES: tastes, NEXT: following})


def grade(demo: Demo, n: int, seed: int = 0) -> dict[str, float]:
    """Return the mean NDCG@10 against tastes of ``n`` shoppers drawn by seed: see `Grades.means`."""
    return graded(demo, n, seed).means()


def tasted(lists: Sequence[Sequence[int]], gains: NDArray[np.float32]) -> Values:
    """Return NDCG@10 of lists of rows, best first, against gains (b, n_items): a value for all who like something."""
    some = np.flatnonzero((gains > 0).any(axis=1)).tolist()
    wanted = [np.flatnonzero(gains[i] > 0) for i in some]
    targets = Targets.of(
        [w.tolist() for w in wanted], [gains[i][w].tolist() for i, w in zip(some, wanted, strict=True)]
    )  # fmt: skip
    found = per_request(Slates.of([lists[i] for i in some]), targets, (TASTES,), gain="linear")[TASTES]
    return found.astype(np.float64)


def ndcg(lists: Sequence[Sequence[int]], gains: NDArray[np.float32]) -> float:
    """Return the mean of `tasted`."""
    return _mean(tasted(lists, gains))


def foreseen(lists: Sequence[Sequence[int]], chances: NDArray[np.floating[Any]]) -> Values:
    """Return (b,) NDCG@10 of lists of rows on average over one item drawn by ``chances`` (b, n_items)."""
    discount = discounts(DEPTH)
    total = np.maximum(chances.sum(axis=1), 1e-30)
    reached = [float(chances[i, rows[:DEPTH]] @ discount[: len(rows[:DEPTH])]) for i, rows in enumerate(lists)]
    return np.asarray(np.array(reached) / total)


def _chances(demo: Demo, users: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    log = demo.shop.dataset.log
    return np.stack([demo.shop.truth.next_event_scores(int(u), log.history(int(u)), demo.now) for u in users])


def _lists(demo: Demo, names: Sequence[str]) -> dict[str, list[list[int]]]:
    config = demo.engine.config
    others = [name for name in (POPULARITY, *variants_of(config)) if name != config.variant]
    return {
        "": _rows(demo, demo.engine.recommend_batch(names, now=demo.now)),
        **{n: _rows(demo, demo.engine.recommend_batch(names, now=demo.now, variant=n)) for n in others},
    }


def _best(values: NDArray[np.floating[Any]]) -> list[list[int]]:
    best: list[list[int]] = np.argsort(-values, axis=1, kind="stable")[:, :DEPTH].tolist()
    return best


def _mean(values: Values) -> float:
    return round(float(values.mean()), 4)


def _without_seen(demo: Demo, user: str, open_now: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = open_now.copy()
    out[seen(demo.engine.store.history(user, demo.now))] = False
    return out


def _rows(demo: Demo, results: Sequence[Result]) -> list[list[int]]:
    vocabulary = demo.shop.dataset.items.vocabulary
    return [vocabulary.rows([r.item_id for r in result]).tolist() for result in results]
