"""The demo: an engine on the sample shop, what it recommends to three shoppers, and how close that is to the truth.

The shop's simulator knows how much every shopper would truly like every item. Nothing of that reaches the engine,
and everything of it is used to grade the lists.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys import __version__
from recsys.artifacts import write_json
from recsys.config import EngineConfig, Variant
from recsys.data.shop import Shop, make_shop
from recsys.data.shop.searches import with_searches
from recsys.demo_grades import POPULARITY, graded
from recsys.demo_variants import side_by_side, variants_of, with_variants, written
from recsys.engine import Engine
from recsys.errors import ModelError
from recsys.eval.explanations import truth_of_explanations
from recsys.fitting import Progress, silent
from recsys.registry import Registry
from recsys.result import Result
from recsys.rules import Rules
from recsys.settings import settings_for
from recsys.store.memory import MemoryStore
from recsys.types import KIND_CODES, KINDS, Event

N_SHOPPERS = 5000
N_GRADED = 400  # shoppers whose lists are graded: the standard error of their mean NDCG@10 is about .008
N_SHOWN = 3
N_HISTORY = 8
N_FOUND = 5
N_READERS = 60  # shoppers whose reasons are held against the records of the shop
SEARCHES = ("waterproof running jacket", "black cofee grinder")  # the second with a typing error
TYPED = "cof"
FINGERPRINT = "demo.json"
_IMPRESSION = KIND_CODES["impression"]


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """A fitted engine on a shop. ``now`` is the second after the shop's last event: the moment of every request.

    ``missing`` names the variants that cannot be shown here, and why.
    """

    shop: Shop
    engine: Engine
    now: int
    fitted_anew: bool
    missing: Mapping[str, str] = field(default_factory=dict)


def prepare(
    folder: Path | None, *, seed: int = 0, n_shoppers: int = N_SHOPPERS, config: EngineConfig | None = None,
    progress: Progress = silent,
) -> Demo:  # fmt: skip
    """Make the shop and fit an engine on it, or load the one that an earlier call kept in ``folder``.

    The shop itself is made anew from its seed, which is quicker than reading it. A bundle of other settings, another
    shop or another version of recsys is replaced, and so is one that is damaged. None keeps nothing. The packaged
    settings (``config`` None) come with the variants of `recsys.demo_variants`.
    """
    progress("making the sample shop")
    shop = with_searches(make_shop(seed, n_shoppers), seed)
    missing: Mapping[str, str] = {}
    if config is None:
        config, missing = with_variants((settings_for("shop") or EngineConfig()).trimmed(), Registry())
    config = with_popularity(config.trimmed())
    now = int(shop.dataset.log.events.times.max()) + 1
    mark = _fingerprint(shop, config)
    if folder is not None and _kept(folder) == mark:
        progress("loading the bundle of the last run")
        try:
            store = MemoryStore.of(shop.dataset, weights=config.events.weights)
            return Demo(shop, Engine.load(folder / "bundle", store), now, fitted_anew=False, missing=missing)
        except ModelError as error:
            progress(f"the bundle cannot be used and is made again: {error}")
    engine = Engine(config).fit(shop.dataset, progress=progress)
    if folder is not None:
        progress("saving the bundle for the next run")
        folder.mkdir(parents=True, exist_ok=True)
        engine.save(folder / "bundle")
        write_json(folder / FINGERPRINT, {"fingerprint": mark})
    return Demo(shop, engine, now, fitted_anew=True, missing=missing)


def with_popularity(config: EngineConfig) -> EngineConfig:
    """Return the settings with a further variant "popularity", which the engine's lists are compared with."""
    plain = config.plain()
    for variant in plain["variants"].values():
        variant.setdefault("candidates", list(config.candidates))
    plain["candidates"].setdefault(POPULARITY, {"use": "popularity"})
    plain["variants"][POPULARITY] = Variant(candidates=(POPULARITY,)).model_dump(mode="json", exclude_none=True)
    return EngineConfig.of(plain)


def _fingerprint(shop: Shop, config: EngineConfig) -> str:
    events = shop.dataset.log.events
    digest = hashlib.sha256(f"{__version__} {config.hash} {len(shop.dataset.items)}".encode())
    for column in (events.rows, events.times, events.kinds):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def _kept(folder: Path) -> str:
    file = folder / FINGERPRINT
    if not file.is_file():
        return ""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return ""  # a half-written mark: fit again
    return str(value.get("fingerprint", "")) if isinstance(value, dict) else ""


def report(demo: Demo, *, n_graded: int = N_GRADED, seed: int = 0, progress: Progress = silent) -> dict[str, Any]:
    """Return what the demo shows, plain and ready for JSON: ``shoppers``, ``searches``, ``suggestions``, ``rules``,
    ``variants`` and ``truth``.

    ``truth`` holds the mean NDCG@10, linear gains 0..3 by the shopper's own order of the items that may be shown: of
    the engine, of popularity, of random lists and of the oracle that knows the truth; and how true the reasons are, see
    `recsys.eval.explanations`. ``variants`` are graded by the next act, too, and tested: `recsys.demo_grades`.
    """
    progress("recommending to three shoppers")
    log = demo.shop.dataset.log
    chosen = shoppers(demo, N_SHOWN, seed)
    results = demo.engine.recommend_batch([log.users[u] for u in chosen], now=demo.now, explain=True)
    shown = [
        {
            "user_id": log.users[u], "history": history(demo, u), "profile": profile(demo, log.users[u]),
            "items": items_of(result),
        }
        for u, result in zip(chosen, results, strict=True)
    ]  # fmt: skip
    progress("searching")
    found = {"searches": searches(demo, log.users[chosen[0]]), "suggestions": suggestions(demo, log.users[chosen[0]])}
    ruled = rules(demo, log.users[chosen[0]])
    progress("grading lists against true tastes")
    grades = graded(demo, n_graded, seed)
    truth = grades.means()
    progress("comparing variants")
    config = demo.engine.config
    graded_variants = grades.of_variants(variants_of(config), config.variant)
    variants = side_by_side(demo, log.users[chosen[0]], graded_variants, demo.missing)
    progress("grading reasons against true causes")
    readers = [log.users[u] for u in shoppers(demo, N_READERS, seed + 1)]
    explained = demo.engine.recommend_batch(readers, now=demo.now, explain=True)
    truth |= truth_of_explanations(demo, seed=seed, results=dict(zip(readers, explained, strict=True)))
    variants["written"] = written(demo, readers)
    return {"shoppers": shown, **found, "rules": ruled, "variants": variants, "truth": truth}


def searches(demo: Demo, user: str) -> list[dict[str, Any]]:
    """Return two searches, the second with a typing error, each for a guest and for a known shopper."""
    out = []
    for text in SEARCHES:
        lists = []
        for who in (None, user):
            result = demo.engine.search(text, who, N_FOUND, now=demo.now, facets=True, explain=True)
            lists.append({"user_id": who, "items": items_of(result)})
        out.append(
            {"text": text, "total": result.total, "corrections": dict(result.corrections),
             "relaxed": list(result.relaxed), "facets": result.facets, "lists": lists}
        )  # fmt: skip
    return out


def suggestions(demo: Demo, user: str) -> list[dict[str, Any]]:
    """Return completions of a few letters for a guest and for a shopper, and what may be asked next."""
    offered = [
        {"typed": TYPED, "user_id": who, "texts": [s.text for s in demo.engine.suggest(TYPED, who, 6)]}
        for who in (None, user)
    ]
    after = [s.text for s in demo.engine.suggest_next(SEARCHES[0], user, 6)]
    return [*offered, {"after": SEARCHES[0], "user_id": user, "texts": after}]


def rules(demo: Demo, user: str) -> dict[str, Any]:
    """Return a list that obeys a few rules, and which of them had a part in it."""
    usual = demo.engine.recommend(user, 50, now=demo.now)
    pinned = usual[len(usual) - 1].item_id
    asked = {
        "pin": [{"item_id": pinned, "position": 2}], "caps": [{"field": "brand", "at_most": 2}],
        "bury": [{"item_ids": [usual[0].item_id], "by": 0.2}],
    }  # fmt: skip
    result = demo.engine.recommend(user, now=demo.now, rules=Rules.of(asked))
    return {"user_id": user, "rules": asked, "applied": list(result.trace.applied_rules), "items": items_of(result)}


def shoppers(demo: Demo, n: int, seed: int = 0) -> list[int]:
    """Return up to ``n`` shoppers by seed: first those with five to thirty purchases, who are easy to read."""
    log = demo.shop.dataset.log
    bought = np.bincount(log.owner[log.events.kinds == KIND_CODES["purchase"]], minlength=log.n_users)
    return telling(bought, n, seed)


def telling(counts: NDArray[np.int64], n: int, seed: int = 0) -> list[int]:
    """Return up to ``n`` places of ``counts`` (shoppers,) by seed: first those of five to thirty acts."""
    order = np.random.default_rng(seed).permutation(len(counts))
    readable = (counts[order] >= 5) & (counts[order] <= 30)
    return [int(u) for u in (*order[readable], *order[~readable])][:n]


def history(demo: Demo, user: int, n: int = N_HISTORY) -> list[dict[str, Any]]:
    """Return the latest ``n`` acts of a shopper, oldest first; what was merely shown is left out."""
    items, events = demo.shop.dataset.items, demo.shop.dataset.log.history(user)
    acts = events.take(events.kinds != _IMPRESSION)
    latest = acts.take(slice(max(0, len(acts) - n), None))
    return [
        {
            "item_id": item_id, "title": items.titles[row], "kind": KINDS[kind],
            "time": datetime.fromtimestamp(time, UTC).isoformat(),
        }
        for item_id, row, kind, time in zip(
            items.vocabulary.ids(latest.rows), latest.rows.tolist(), latest.kinds.tolist(), latest.times.tolist(),
            strict=True,
        )
    ]  # fmt: skip


def profile(demo: Demo, user: str) -> list[dict[str, Any]]:
    """Return what the shop believes about a shopper, a line each, with what it rests on."""
    lines: list[dict[str, Any]] = demo.engine.profile(user, now=demo.now).to_dict()["lines"]
    return lines


def items_of(result: Result) -> list[dict[str, Any]]:
    """Return a list as the demo's JSON has it."""
    names = ("rank", "item_id", "title", "score", "sources", "variants", "explanation")
    return [{name: row[name] for name in names if name in row} for row in result.to_dicts()]


def guest(demo: Demo, item_id: str, user: str = "guest") -> Result:
    """Let a guest, unknown until now, look at one item and return the list that they get at once."""
    demo.engine.add_events([Event(user_id=user, item_id=item_id, kind="view", time=demo.now)])
    return demo.engine.recommend(user, now=demo.now + 1)
