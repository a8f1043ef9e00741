"""What the page shows beside the lists: who can be picked, what filters offer, histories, reviews."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys import __version__
from recsys.dataset import EventLog, ItemTable
from recsys.demo import telling
from recsys.demo_variants import PLAIN, offered
from recsys.engine import Engine
from recsys.serving.problems import not_found
from recsys.serving.shapes.base import guest
from recsys.serving.showcase import Showcase, Stall
from recsys.types import KIND_CODES, KINDS

N_SHOPPERS = 24
N_VALUES = 80  # of one filter
N_HISTORY = 200
# Invented: shoppers of the sample shop are simulated, and a name is easier to keep in mind than a number.
NAMES = (
    "Ada", "Bruno", "Clara", "Dario", "Edda", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mara",
    "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sami", "Thea", "Umar", "Vera", "Wim", "Yuna",
)  # fmt: skip
ABOUT = {
    "no-llm": ("No LLM", "candidates of many kinds, ranked by LightGBM"),
    "zero-shot": ("Zero-shot", "the best are put in order by a language model that was never trained on shops"),
    "fine-tuned": ("Fine-tuned", "the best are put in order by a model that learned from another shop"),
    "popularity": ("Popularity", "what most shoppers choose, whoever asks: the control"),
}
_HIDDEN_KINDS = (KIND_CODES["impression"], KIND_CODES["forget"])


def session(showcase: Showcase, stall: Stall, key: str, budget_ms: float) -> dict[str, Any]:
    """Return all that the page has to know of a shop before its first list; of one that is not there, how far it is."""
    about = {"name": stall.name, "title": stall.title, "state": stall.state, "steps": stall.steps[-8:]}
    shops = [{"name": s.name, "title": s.title, "state": s.state} for s in showcase.stalls.values()]
    if stall.made is None:
        return {"shop": about, "shops": shops, "error": stall.error}
    engine, store = stall.made.engine, stall.made.engine.store
    items: ItemTable = store.items()
    fixed = stall.cache.get("fixed")
    if fixed is None or fixed[0] is not items:
        fixed = stall.cache["fixed"] = (items, _fixed(items, store.log(), stall))
    return {
        "shop": about | {"notes": list(stall.made.notes), **fixed[1]["counts"]}, "shops": shops, "error": "",
        "key": key, "now": stall.now, "budget_ms": budget_ms, "shoppers": fixed[1]["shoppers"],
        "filters": fixed[1]["filters"], "variants": variants(engine, stall.made.missing),
        "model": {"version": __version__, "bundle": engine.bundle_id, "settings": engine.config.hash},
    }  # fmt: skip


def _fixed(items: ItemTable, log: EventLog, stall: Stall) -> dict[str, Any]:
    named = stall.made is not None and stall.made.named
    return {
        "counts": {"items": len(items), "events": len(log), "shoppers": log.n_users},
        "shoppers": shoppers(items, log, named), "filters": filters(items),
    }  # fmt: skip


def shoppers(items: ItemTable, log: EventLog, named: bool) -> list[dict[str, Any]]:
    """Return shoppers to pick from, those with a history of readable length first, and what they turn to most."""
    liked = np.bincount(log.owner[log.events.weights > 0], minlength=log.n_users)
    out = []
    for place, user in enumerate(telling(liked, N_SHOPPERS, 0)):
        rows = (events := log.history(user)).rows[events.weights > 0].tolist()
        most = Counter(c for row in rows for c in items.categories[row][:1]).most_common(2)
        name = NAMES[place % len(NAMES)] if named else log.users[user]
        out.append({"user_id": log.users[user], "name": name, "about": [c for c, _ in most], "events": len(rows)})
    return out


def filters(items: ItemTable) -> dict[str, Any]:
    """Return what can be filtered by: the brands and categories that most items have, and the range of prices."""
    prices = items.prices[~np.isnan(items.prices)]
    brands = Counter(brand for brand in items.brands if brand)
    categories = Counter(c for listed in items.categories for c in listed)
    return {
        "brands": [name for name, _ in brands.most_common(N_VALUES)],
        "categories": [name for name, _ in categories.most_common(N_VALUES)],
        "price": None if not len(prices) else [float(prices.min()), float(prices.max())],
    }


def variants(engine: Engine, missing: dict[str, str]) -> list[dict[str, Any]]:
    """Return the variants of the settings, the one without a language model first, and those that are missing."""
    config = engine.config
    known = [PLAIN, *offered()["variants"], "popularity"]
    there = sorted(config.variants, key=lambda name: (known.index(name) if name in known else len(known), name))
    out = []
    for name in there:
        plan = config.variants[name]
        budget = None if plan.rerank is None else config.rerank[plan.rerank].budget_ms
        label, about = ABOUT.get(name, (name, "a plan of the settings"))
        out.append({
            "name": name, "label": label, "about": about, "rerank": plan.rerank, "rerank_budget_ms": budget,
            "writes": plan.explain in config.explain.others, "usual": name == config.variant, "missing": None,
        })  # fmt: skip
    for name, why in missing.items():
        label, about = ABOUT.get(name, (name, ""))
        out.append({"name": name, "label": label, "about": about, "missing": why})
    return out


def history(engine: Engine, user_id: str | None, anonymous_id: str | None, now: int | None) -> dict[str, Any]:
    """Return what somebody did, the latest first; neither what was merely shown nor what they had forgotten."""
    user = user_id if anonymous_id is None else guest(anonymous_id)
    events, items = engine.store.history(user or "", now), engine.store.items()
    forgotten: dict[int, int] = {}
    for row, kind, time in zip(events.rows.tolist(), events.kinds.tolist(), events.times.tolist()):
        if kind == KIND_CODES["forget"]:
            forgotten[row] = time
    ids: Sequence[str] = events.ids or [""] * len(events)
    out = [
        {
            "event_id": event_id, "item_id": items.vocabulary.ids(events.rows[i : i + 1])[0],
            "title": items.titles[row], "kind": KINDS[kind], "time": time, "value": value,
        }
        for i, (event_id, row, kind, time, value) in enumerate(zip(
            ids, events.rows.tolist(), events.kinds.tolist(), events.times.tolist(), events.values.tolist()
        ))
        if kind not in _HIDDEN_KINDS and time > forgotten.get(row, -1)
    ]  # fmt: skip
    return {"known": bool(len(events)), "events": out[::-1][:N_HISTORY], "more": max(0, len(out) - N_HISTORY)}


def review(engine: Engine, review_id: str) -> dict[str, Any]:
    """Return a review without its author, for the page to mark a span of its text. Raises `Problem` 404."""
    items = engine.store.items()
    for one in engine.store.reviews():
        if one.review_id == review_id:
            row = int(items.vocabulary.rows([one.item_id])[0])
            return {
                "review_id": review_id, "item_id": one.item_id, "title": items.titles[row], "text": one.text,
                "summary": one.summary, "rating": one.rating, "time": one.time,
            }  # fmt: skip
    raise not_found("review")
