"""Searches of the sample shop: ``python -m benchmarks.shop_search [--tune] [--quick]`` into ``shop-search.json``.

Two ways to look at the same answers. *Later searches*: the log is cut in time, and what shoppers chose from the last
fifth of its searches is to be found: its first half is for tuning ("valid"), its second for the report ("test"). Each
search is asked once with the shopper's history as it was then, and once as by a guest. *Judged queries*: graded
relevance that the shop's simulator knows, asked as by a guest; one half of them is for tuning. Equal scores keep the
order of the catalogue, as on a page.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.facts import facts
from benchmarks.runner import RESULTS
from recsys.candidates.fuse import Fusion
from recsys.config import EngineConfig
from recsys.data.shop import Shop, make_shop
from recsys.data.shop.searches import make_searches
from recsys.dataset import Dataset
from recsys.eval.compare import effect
from recsys.eval.metrics import per_request
from recsys.fitting import fit_generators
from recsys.fitting_search import Choices, answers, fit_search_ranker, learning_plan, requests_of
from recsys.paired import bootstrap_ci
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.settings import settings_for
from recsys.store.searches import SearchLog
from recsys.targets import Targets
from recsys.types import Request, Search, Slates, offsets_of, utc

METRICS = ("mrr@10", "ndcg@10")
CUTS = (0.8, 0.9)  # the tuned settings are chosen on the searches that lie between, and reported on those that follow
RANKER = {
    "use": "lightgbm", "later": 0.25, "negatives": 60, "learning_rate": 0.1, "patience": 30, "max_bin": 63,
    "truncation": 10, "feature_fraction": 0.7, "prior": 0.3,
}  # fmt: skip
GRID: Mapping[str, Sequence[float]] = {"dense": (0.0, 0.1, 0.2, 0.3, 0.5), "personal": (0.1, 0.2, 0.3, 0.5, 0.8)}
Values = dict[str, NDArray[np.float32]]
Order = Callable[[Sequence[Request], Slates], Slates]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Requests, what is to be found, the answers with complete columns, and what each shopper chose before."""

    requests: list[Request]
    targets: Targets
    slates: Slates
    before: tuple[tuple[int, ...], ...] = ()

    def values(self, order: Order, refind: bool = False) -> Values:
        """Return each metric (n,) of the answers in an order, gain 2 ** grade - 1."""
        ranked = order(self.requests, self.slates)
        scores = -np.arange(len(ranked.items), dtype=np.float32)  # a page shows equal scores one after the other too
        if refind and self.before:
            owner = np.repeat(np.arange(len(self.before)), [len(b) for b in self.before])
            rows = np.array([r for b in self.before for r in b], dtype=np.int64)
            width = np.int64(ranked.items.max(initial=0)) + 1
            again = np.isin(ranked.request_index * width + ranked.items, (owner * width + rows)[rows < width])
            scores[again] += len(scores)
        flat = Slates(ranked.items, ranked.scores, ranked.offsets).ordered(scores)
        return per_request(flat, self.targets, METRICS, gain="exp")


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """What was learned before a moment, and the tasks after it."""

    tasks: Mapping[str, Task]
    ranker: Any
    took_s: Mapping[str, float]


def period(
    config: EngineConfig, shop: Shop, searches: Sequence[Search], times: tuple[int, int], odd: bool, most: int
) -> Period:
    """Fit on everything up to ``times[0]`` and return the searches from there to ``times[1]`` as tasks."""
    begin, end = times
    data, registry, options = shop.dataset, Registry(), FitOptions(seed=config.seed)
    known = [s for s in searches if second(s) <= begin]
    past = replace(data.with_log(data.log.as_of(data.log.events.times <= begin)), searches=tuple(known))
    names = [*config.candidates, *config.search.candidates]
    generators, seconds = fit_generators(config, registry, past, past.log, options, names=names)
    finders = {n: generators[n] for n in config.search.candidates}
    started, busy = time.perf_counter(), time.process_time()
    ranker = fit_search_ranker(config, registry, past, "search", finders, options, print)
    took = {"generators": sum(seconds.values()), "ranker": time.perf_counter() - started,
            "ranker_cpu": time.process_time() - busy}  # fmt: skip
    choices = Choices.of(data, [s for s in searches if begin < second(s) <= end])
    some = np.sort(np.random.default_rng(0).permutation(len(choices))[:most])
    plan = learning_plan(config, generators)
    tasks = later(plan, choices.take(some), data, SearchLog(known), config.events.history_limit)
    return Period({**tasks, "judged": judged(plan, shop, begin, odd)}, ranker, took)


def second(search: Search) -> int:
    """Return when a search was typed, in epoch seconds."""
    assert search.time is not None
    return utc(search.time)


def later(plan: Any, choices: Choices, data: Dataset, log: SearchLog, limit: int) -> dict[str, Task]:
    """Return later searches twice: of known shoppers, and of guests."""
    targets = Targets(choices.chosen, choices.offsets)
    known = requests_of(choices, data.log, limit)
    guests = requests_of(choices, data.log, limit, np.ones(len(choices), dtype=np.bool_))
    users = [data.log.users[g] if g >= 0 else None for g in choices.groups.tolist()]
    back = [
        tuple(r for r in data.items.vocabulary.rows(log.refound(user, text)).tolist() if r >= 0)
        for user, text in zip(users, choices.texts, strict=True)
    ]
    return {
        "known": Task(known, targets, collected(plan, known), tuple(back)),
        "guests": Task(guests, targets, collected(plan, guests)),
    }


def judged(plan: Any, shop: Shop, now: int, odd: bool) -> Task:
    """Return one half of the judged queries, drawn at random: neighbours in the list are of different kinds."""
    half = np.random.default_rng(0).permutation(len(shop.queries)) % 2 == odd
    wanted = [q for q, ours in zip(shop.queries, half.tolist(), strict=True) if ours]
    requests = [Request(text=q.text, now=now) for q in wanted]
    targets = Targets.of([q.rows.tolist() for q in wanted], [q.grades.tolist() for q in wanted])
    return Task(requests, targets, collected(plan, requests))


def collected(plan: Any, requests: Sequence[Request]) -> Slates:
    """Return all that is found for the requests, in the order of the catalogue."""
    found = Slates.joined([slates for _, slates in answers(plan, requests)])
    order = np.lexsort((found.items, found.request_index))
    columns = {name: values[order] for name, values in found.columns.items()}
    return Slates(found.items[order], found.scores[order], offsets_of(found.lengths), columns)


def fused(weights: Mapping[str, float]) -> Order:
    """Return the order by a weighted sum of parts, each as a share of its request's best."""
    parts = [name for name, weight in weights.items() if weight]
    return lambda requests, slates: Fusion(weights).fuse(slates, parts)


def by_ranker(ranker: Any, weights: Mapping[str, float]) -> Order:
    """Return the order by a ranker over the fused order of ``weights``."""
    order = fused(weights)
    return lambda requests, slates: ranker.rank(requests, order(requests, slates), len(slates.items))


def rows_of(one: Period, weights: Mapping[str, float]) -> dict[str, dict[str, Values]]:
    """Return metrics by row and task."""
    orders = {
        "text": fused({"text": 1.0}),
        "text+dense": fused({n: w for n, w in weights.items() if n != "personal"}),
        "text+dense+personal": fused(weights),
        "ranker": by_ranker(one.ranker, weights),
    }
    out = {name: {t: task.values(order) for t, task in one.tasks.items()} for name, order in orders.items()}
    out["ranker, found again first"] = {
        t: task.values(orders["ranker"], refind=True) for t, task in one.tasks.items() if task.before
    }
    return out


def tuned(one: Period) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return the fusion weights that do best on both kinds of validation, and every row of the search."""
    rows: list[dict[str, Any]] = []
    for dense, personal in itertools.product(GRID["dense"], GRID["personal"]):
        weights = {"text": 1.0, "dense": dense, "personal": personal}
        values = {t: float(task.values(fused(weights))["ndcg@10"].mean()) for t, task in one.tasks.items()}
        value = (values["known"] + values["guests"]) / 4 + values["judged"] / 2
        rows.append({"weights": weights, "ndcg@10": {t: round(v, 4) for t, v in values.items()}, "value": value})
    return max(rows, key=lambda row: float(row["value"]))["weights"], rows


def summary(rows: Mapping[str, Mapping[str, Values]], baseline: str = "text+dense+personal") -> dict[str, Any]:
    """Return means, 95 % intervals of NDCG@10, and the paired difference from ``baseline``."""
    out: dict[str, Any] = {}
    for name, by_task in rows.items():
        out[name] = {}
        for task, values in by_task.items():
            low, high = bootstrap_ci(values["ndcg@10"])
            line: dict[str, Any] = {m: round(float(values[m].mean(dtype=np.float64)), 4) for m in METRICS}
            line |= {"n": len(values["ndcg@10"]), "ndcg@10_ci": [round(float(low), 4), round(float(high), 4)]}
            if name != baseline:
                step = effect(values["ndcg@10"], rows[baseline][task]["ndcg@10"])
                line |= {"difference": round(step.difference, 4), "difference_ci": [round(x, 4) for x in step.ci95]}
            out[name][task] = line
    return out


def with_ranker(config: EngineConfig, weights: Mapping[str, float] | None = None) -> EngineConfig:
    """Return settings whose searches are ordered by a ranker that learns from the log."""
    plain = config.plain()
    plain["rank"].setdefault("search", dict(RANKER))
    plain["search"] = {**plain["search"], "rank": "search"}
    if weights is not None:
        plain["search"]["weights"] = dict(weights)
    return EngineConfig.of(plain)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shop_search", description=__doc__)
    parser.add_argument("--tune", action="store_true", help="choose the fusion weights on validation first")
    parser.add_argument("--quick", action="store_true", help="a tiny shop, to see that everything runs; no file")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(argv)
    shop = make_shop(0, 500 if options.quick else 5000)
    searches = make_searches(shop, 0)
    base = settings_for("shop")
    assert base is not None
    config = with_ranker(base.trimmed())
    valid, test = (int(t) for t in np.quantile([second(s) for s in searches], CUTS))
    most = 200 if options.quick else 3000
    first = period(config, shop, searches, (valid, test), odd=False, most=most)
    weights, tried = tuned(first) if options.tune else (dict(config.search.weights), [])
    report: dict[str, Any] = {
        "data": "shop, seed 0", "searches": len(searches), "weights": weights, "ranker": config.rank["search"].options,
        "valid": summary(rows_of(first, weights)), "took_s": {k: round(v, 1) for k, v in first.took_s.items()},
        "importance": {n: round(v, 4) for n, v in sorted(first.ranker.importance().items(), key=lambda x: -x[1])[:15]},
    }  # fmt: skip
    if tried:
        report["tried"] = tried
    final = with_ranker(config, weights)
    second_period = period(final, shop, searches, (test, int(shop.dataset.log.events.times.max()) + 1), True, most)
    report["test"] = summary(rows_of(second_period, weights))
    report |= facts()
    print(json.dumps({n: report[n] for n in ("weights", "valid", "test", "took_s")}, indent=1))
    if not options.quick:
        (options.results / "shop-search.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
