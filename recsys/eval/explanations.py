"""Are reasons true? On the sample shop every act has a recorded cause, so a cited reason can be right or wrong.

An act that completes an earlier purchase has that purchase as its one true reason. An act without any cause has none,
and whoever cites a history item for it is wrong. (Acts out of taste, brand loyalty, fashion or for one quality have
causes that are no single event; they decide nothing here and are only counted.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop import Shop
from recsys.data.shop.causes import CAUSES
from recsys.dataset import ItemTable
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.eval.compare import effect
from recsys.eval.explanations_acts import (
    Acts,
    known_reviews,
    last_acts,
    ranked_with,
    reasons_before,
    refitted,
)
from recsys.eval.explanations_statements import Shown, statement_figures
from recsys.explain.causal import EPSILON, drop_uncaused, with_drops
from recsys.explain.facts_settings import FactSettings
from recsys.explaining import Reasons, rescorer
from recsys.explanation import Fact
from recsys.paired import bootstrap_ci
from recsys.result import Result
from recsys.types import KIND_CODES, Events, Request, Slates

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
            "true_reason_share_last_purchase", "false_reason_share", "true_reason_share_shown",
            "false_reason_share_shown",
        )
    }  # fmt: skip
    if results is None:
        return out
    shown = [
        Shown(user, row.explanation.text, row.explanation.evidence, row.title, demo.now, item_id=row.item_id)
        for user, result in results.items()
        for row in result
        if row.explanation is not None
    ]
    said = statement_figures(demo.shop.dataset, shown)
    return {"statement_precision": said.statement_precision, "claims_per_text": said.claims_per_text, **out}


@dataclass(frozen=True, slots=True, eq=False)
class Reasoned:
    """Acts and what was found to say about each: ``facts[i]`` of act i, measured but not yet gated.

    ``listed`` has one list of one for each act, ``reasons`` puts facts into words, and ``floor`` is the strength that
    an event needs in the engine.
    """

    acts: Acts
    requests: list[Request]
    facts: list[list[Fact]]
    listed: Slates
    reasons: Reasons
    floor: float

    @property
    def items(self) -> ItemTable:
        """The catalogue."""
        return self.reasons.book.items

    def gated(self, floor: float, epsilon: float = EPSILON) -> list[list[Fact]]:
        """Return the facts of each act as an explainer would get them."""
        return [
            drop_uncaused([f for f in facts if f.kind != "event" or f.strength >= floor], epsilon)
            for facts in self.facts
        ]  # fmt: skip

    def cited(self, floor: float, epsilon: float = EPSILON) -> NDArray[np.int64]:
        """Return (a,) the row of the first history item that is given as a reason, -1 where none is."""
        events = ([f for f in facts if f.kind == "event"] for facts in self.gated(floor, epsilon))
        return self._rows(own[0].evidence[0].item_id if own else None for own in events)

    def shown(self, floor: float, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return for the acts of ``which`` the row of the first history item that the text names, -1 where none is.

        Whatever it is named for: as the reason itself, or because the two have a value in common.
        """
        cases = self.reasons.cases(self.requests, self.listed, self.gated(floor))
        said = self.reasons.worded([cases[i] for i in np.flatnonzero(which).tolist()])
        return self._rows(next((e.item_id for e in one.evidence if e.kind == "event"), None) for one in said)

    def _rows(self, item_ids: Iterable[str | None]) -> NDArray[np.int64]:
        row = self.items.vocabulary.row
        return np.array([-1 if i is None else row(i) for i in item_ids], dtype=np.int64)


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
    requests = acts.requests(len(shop.dataset.items), engine.config.events.history_limit)
    ranked, listed = ranked_with(funnel, requests, acts.rows)
    settings = engine.config.explain
    reasons = reasons_before(engine, shop, funnel, acts.log, known_reviews(shop, acts), seed, event_floor=0.0)
    facts = reasons.book.collect(requests, listed, aspects=reasons.aspects)
    if causal and settings.measured:
        vocabulary = shop.dataset.items.vocabulary
        facts = with_drops(requests, listed, ranked, facts, rescorer(funnel), vocabulary, settings.measured)
    floor = FactSettings.model_validate(settings.facts).event_floor
    return Reasoned(acts, requests, facts, listed, reasons, floor)


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
    ``*_shown``: the same two over the texts that a shopper reads, whatever a history item is named for there: also
    because it has a brand in common with the item, without a "because".
    ``reason_precision``: of the reasons cited for acts of either kind, how many are true.

    Raises:
        DataError: there is no act with a reason or none without.
    """
    acts, floor = found.acts, found.floor if floor is None else floor
    caused, causeless = _decided(acts)
    right, given, shares = _shares(found, floor)
    baselines = {name: _right(rows, acts, caused) for name, rows in simple(found.requests, acts, found.items).items()}
    told_right, told = found.shown(floor, caused) == acts.reasons[caused], found.shown(floor, causeless) >= 0
    return {
        "true_reason_share": shares["true_reason_share"],
        "true_reason_share_ci95": _interval(right),
        **{f"true_reason_share_{name}": _mean(hit) for name, hit in baselines.items()},
        "gain_ci95": {n: [round(v, 4) for v in effect(right, hit).ci95] for n, hit in baselines.items()},
        "false_reason_share": shares["false_reason_share"],
        "false_reason_share_ci95": _interval(given),
        "true_reason_share_shown": _mean(told_right),
        "true_reason_share_shown_ci95": _interval(told_right),
        "false_reason_share_shown": _mean(told),
        "false_reason_share_shown_ci95": _interval(told),
        "reason_precision": shares["reason_precision"],
        "n_with_reason": int(caused.sum()),
        "n_without_cause": int(causeless.sum()),
    }


def _decided(acts: Acts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    caused, causeless = acts.caused_by(REASON), acts.caused_by(NO_REASON)
    if not caused.any() or not causeless.any():
        raise DataError("too few acts: there must be some with a recorded reason and some without any cause")
    return caused, causeless


def _shares(found: Reasoned, floor: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], dict[str, float]]:
    """Return which caused acts have their cause cited, which causeless ones have anything cited, and the shares."""
    caused, causeless = _decided(found.acts)
    cited = found.cited(floor)
    right, given = _right(cited, found.acts, caused), cited[causeless] >= 0
    both = np.concatenate([right[cited[caused] >= 0], np.zeros(int(given.sum()), dtype=np.bool_)])
    shares = {"true_reason_share": _mean(right), "false_reason_share": _mean(given), "reason_precision": _mean(both)}
    return right, given, shares


def curve(found: Reasoned, floors: Sequence[float] = FLOORS) -> list[dict[str, float]]:
    """Return what every floor of the strength would give: more true reasons or fewer false ones."""
    return [{"floor": floor, **_shares(found, floor)[2]} for floor in floors]


def by_cause(found: Reasoned, floor: float | None = None) -> dict[str, dict[str, float]]:
    """Return for each cause how many acts there were, and for which share a history item or its brand is cited."""
    cited = found.cited(found.floor if floor is None else floor) >= 0
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


def _interval(values: NDArray[np.bool_]) -> list[float]:
    return [round(v, 4) for v in bootstrap_ci(values)]


def _mean(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
