"""Are reasons true? On the sample shop every act has a recorded cause, so a cited reason can be right or wrong.

An act that completes an earlier purchase has that purchase as its one true reason. An act without any cause has none,
and whoever cites a history item for it is wrong. (Acts out of taste, brand loyalty, fashion or for one quality have
causes that are no single event; they decide nothing here and are only counted.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import Shop
from recsys.data.shop.causes import CAUSES
from recsys.dataset import ItemTable
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.eval.compare import bootstrap_ci, effect
from recsys.eval.explanations_acts import Acts, last_acts, ranked_with, refitted
from recsys.eval.explanations_statements import Shown, statement_figures
from recsys.explain.causal import EPSILON, drop_uncaused, with_drops
from recsys.explain.facts import FactBook, shoppers_per_item
from recsys.explain.facts_settings import FactSettings
from recsys.explaining import rescorer
from recsys.explanation import Fact
from recsys.result import Result
from recsys.types import KIND_CODES, Events, Request

REASON, NO_REASON = "complement", "none"
FLOORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_PURCHASE = KIND_CODES["purchase"]


class ShopAndEngine(Protocol):
    """What `recsys.demo.Demo` has: a shop, an engine fitted on it, and the moment at which it was asked."""

    @property
    def shop(self) -> Shop:
        """The shop whose causes are recorded."""
        ...

    @property
    def engine(self) -> Engine:
        """Fitted on the shop."""
        ...

    @property
    def now(self) -> int:
        """Epoch seconds."""
        ...


def truth_of_explanations(
    demo: ShopAndEngine, n: int = 300, seed: int = 0, *, results: Mapping[str, Result] | None = None
) -> dict[str, float]:  # fmt: skip
    """Return what the demo prints about its reasons.

    Args:
        demo: a shop with an engine fitted on it.
        n: at most so many acts with a recorded reason, and as many without any cause.
        seed: of the draw.
        results: lists as shoppers saw them, by user id, with their explanations: they add "statement_precision" and
            "claims_per_text".
    """
    found = figures(reason(demo.shop, demo.engine, n=n, seed=seed))
    out = {
        name: float(found[name])
        for name in (
            "true_reason_share", "true_reason_share_last_item", "true_reason_share_same_category",
            "true_reason_share_last_purchase", "false_reason_share",
        )
    }  # fmt: skip
    if results is None:
        return out
    shown = [
        Shown(user, row.explanation.text, row.explanation.evidence, row.title, demo.now)
        for user, result in results.items()
        for row in result
        if row.explanation is not None
    ]
    said = statement_figures(demo.shop.dataset, shown)
    return {"statement_precision": said.statement_precision, "claims_per_text": said.claims_per_text, **out}


@dataclass(frozen=True, slots=True, eq=False)
class Reasoned:
    """Acts and what was found to say about each: ``facts[i]`` of act i, measured but not yet gated."""

    acts: Acts
    requests: list[Request]
    facts: list[list[Fact]]
    items: ItemTable

    def cited(self, floor: float, epsilon: float = EPSILON) -> NDArray[np.int64]:
        """Return (a,) the row of the first history item that is given as a reason, -1 where none is."""
        out = np.full(len(self.acts), -1, dtype=np.int64)
        for i, facts in enumerate(self.facts):
            events = [f for f in drop_uncaused(facts, epsilon) if f.kind == "event" and f.strength >= floor]
            if events:
                out[i] = self.items.vocabulary.row(events[0].evidence[0].item_id)
        return out


def reason(
    shop: Shop, engine: Engine, *, reported: bool = True, n: int | None = None, seed: int = 0, causal: bool = True
) -> Reasoned:
    """Explain the last act of each shopper as the engine would have, had it listed that item.

    Args:
        shop: where the causes are recorded.
        engine: fitted on the shop; its generators are fitted anew without the acts.
        reported: the odd-numbered shoppers, on whom nothing was chosen; False for the even-numbered ones.
        n: at most so many acts of each of the causes "complement" and "none", drawn by seed, and none of other
            causes; None for all acts of all causes.
        seed: of the draw and of the fit.
        causal: measure the causal drop of the cited events.
    """
    acts = _chosen(last_acts(shop), reported, n, seed)
    funnel = refitted(engine, shop, acts.log, seed=seed)
    items = shop.dataset.items
    requests = acts.requests(len(items), engine.config.events.history_limit)
    ranked, slates = ranked_with(funnel, requests, acts.rows)
    fusion = engine.config.fusion
    book = FactBook.of(
        items, funnel.plan.generators, fusion.weights, fusion.default, shoppers_per_item(acts.log, len(items)),
        FactSettings(event_floor=0.0),
    )  # fmt: skip
    facts = book.collect(requests, slates)
    if causal:
        facts = with_drops(requests, slates, ranked, facts, rescorer(funnel), items.vocabulary)
    return Reasoned(acts, requests, facts, items)


def _chosen(acts: Acts, reported: bool, n: int | None, seed: int) -> Acts:
    acts = acts.take(acts.users % 2 == int(reported))
    if n is None:
        return acts
    rng = np.random.default_rng(seed)
    parts = []
    for name in (REASON, NO_REASON):
        own = np.flatnonzero(acts.caused_by(name))
        parts.append(rng.permutation(own)[:n])
    return acts.take(np.sort(np.concatenate(parts)))


def figures(found: Reasoned, floor: float | None = None) -> dict[str, Any]:
    """Return how often the cited reason is the true one, beside three ways of citing without thinking.

    ``true_reason_share``: of acts with a recorded reason, how many have it as their first cited history item.
    ``*_last_item``, ``*_same_category``, ``*_last_purchase``: the same if the latest history item, the latest of the
    item's own category (else the latest) or the latest purchase (else the latest item) is cited.
    ``false_reason_share``: of acts without a cause, how many have a history item cited.
    ``reason_precision``: of the reasons cited for acts of either kind, how many are true.

    Raises:
        DataError: there is no act with a reason or none without.
    """
    floor = FactSettings().event_floor if floor is None else floor
    acts = found.acts
    caused, causeless = acts.caused_by(REASON), acts.caused_by(NO_REASON)
    if not caused.any() or not causeless.any():
        raise DataError("too few acts: there must be some with a recorded reason and some without any cause")
    cited = found.cited(floor)
    right = _right(cited, acts, caused)
    baselines = {name: _right(rows, acts, caused) for name, rows in simple(found.requests, acts, found.items).items()}
    given = cited[causeless] >= 0
    decided = np.concatenate([right[cited[caused] >= 0], np.zeros(int(given.sum()), dtype=np.bool_)])
    return {
        "true_reason_share": _mean(right),
        "true_reason_share_ci95": [round(v, 4) for v in bootstrap_ci(right)],
        **{f"true_reason_share_{name}": _mean(hit) for name, hit in baselines.items()},
        "gain_ci95": {n: [round(v, 4) for v in effect(right, hit).ci95] for n, hit in baselines.items()},
        "false_reason_share": _mean(given),
        "false_reason_share_ci95": [round(v, 4) for v in bootstrap_ci(given)],
        "reason_precision": _mean(decided),
        "n_with_reason": int(caused.sum()),
        "n_without_cause": int(causeless.sum()),
    }


def curve(found: Reasoned, floors: Sequence[float] = FLOORS) -> list[dict[str, float]]:
    """Return what every floor of the strength would give: more true reasons or fewer false ones."""
    wanted = ("true_reason_share", "false_reason_share", "reason_precision")
    return [{"floor": floor, **{k: v for k, v in figures(found, floor).items() if k in wanted}} for floor in floors]


def by_cause(found: Reasoned, floor: float | None = None) -> dict[str, dict[str, float]]:
    """Return for each cause how many acts there were, and for which share a history item or its brand is cited."""
    floor = FactSettings().event_floor if floor is None else floor
    cited = found.cited(floor) >= 0
    brand = np.array([_first_value(facts) == "brand" for facts in found.facts], dtype=np.bool_)
    out = {}
    for name in CAUSES[1:]:
        own = found.acts.caused_by(name)
        if own.any():
            out[name] = {"n": int(own.sum()), "event_cited": _mean(cited[own]), "brand_first": _mean(brand[own])}
    return out


def _first_value(facts: Sequence[Fact]) -> str | None:
    return next((f.evidence[0].field for f in facts if f.kind == "attribute"), None)


def simple(requests: Sequence[Request], acts: Acts, items: ItemTable) -> Mapping[str, NDArray[np.int64]]:
    """Return what simple rules cite for each act, (a,) rows by rule."""
    pairs = list(zip(requests, acts.rows.tolist(), strict=True))
    return {
        "last_item": np.array([int(r.history.rows[-1]) for r, _ in pairs]),
        "same_category": np.array([_latest_alike(r.history, row, items) for r, row in pairs]),
        "last_purchase": np.array([_latest_purchase(r.history) for r, _ in pairs]),
    }


def _latest_alike(history: Events, row: int, items: ItemTable) -> int:
    own = items.categories[row]
    alike = (h for h in history.rows[::-1].tolist() if items.categories[h] == own)
    return int(next(alike, int(history.rows[-1])))


def _latest_purchase(history: Events) -> int:
    bought = history.rows[(history.kinds == _PURCHASE) & (history.weights > 0)]
    return int(bought[-1] if len(bought) else history.rows[-1])


def _right(cited: NDArray[np.int64], acts: Acts, caused: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cited[caused] == acts.reasons[caused])


def _mean(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
