"""How true and how varied the reasons of the sample shop are: what the demo prints, on more shoppers and in parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import rounded
from recsys.demo import Demo, prepare
from recsys.eval.explanations import by_cause, curve, figures, reason
from recsys.eval.explanations_acts import reasons_before
from recsys.eval.explanations_reviews import Explain, against_reviews
from recsys.eval.explanations_statements import Shown, statement_figures
from recsys.eval.explanations_text import text_figures
from recsys.funnel import Funnel
from recsys.types import Review

EXPLAINERS = ("template", "extract")
READERS = 200  # shoppers whose lists are explained
REVIEWS = 500  # written later, which reasons are compared with
FLOORS = (0.0, 0.2, 0.4, 0.6, 0.8)


def cases(quick: bool) -> list[dict[str, Any]]:
    return [
        {"shoppers": 300 if quick else 5000, "readers": 10 if quick else READERS, "reviews": 50 if quick else REVIEWS}
    ]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    demo = prepare(None, n_shoppers=case["shoppers"])
    return [
        *_causes(demo, case["shoppers"]),
        *(_texts(demo, name, case["readers"]) for name in EXPLAINERS),
        *(_reviews(demo, name, case["reviews"]) for name in EXPLAINERS),
    ]


def _causes(demo: Demo, shoppers: int) -> list[dict[str, Any]]:
    """Is what is cited the recorded cause? With the measured causal drop and without, and at other floors."""
    out = []
    for name, causal in (("cited", True), ("cited, causal drop not measured", False)):
        found = reason(demo.shop, demo.engine, causal=causal)
        out.append({"name": name, "parameters": {"shoppers": shoppers}, "figures": figures(found)})
        if causal:
            more = {"floors": curve(found, FLOORS), "by_cause": by_cause(found)}
            out.append({"name": "by floor and cause", "parameters": {"shoppers": shoppers}, "figures": more})
    return out


def _texts(demo: Demo, name: str, readers: int) -> dict[str, Any]:
    """Lists as shoppers see them: are the statements supported and true, and how varied are the texts?"""
    users = np.random.default_rng(5).permutation(demo.shop.dataset.log.n_users)[:readers]
    names = [demo.shop.dataset.log.users[u] for u in users.tolist()]
    lists = demo.engine.recommend_batch(names, now=demo.now, explain=name)
    rows = [(user, row) for user, result in zip(names, lists, strict=True) for row in result]
    shown = [
        Shown(user, row.explanation.text, row.explanation.evidence, row.title, demo.now, item_id=row.item_id)
        for user, row in rows
        if row.explanation is not None
    ]
    said = statement_figures(demo.shop.dataset, shown)
    spoken = [s for s in shown if s.text]
    varied = text_figures([s.text for s in spoken], [s.evidence for s in spoken], demo.shop.truth.aspects)["variety"]
    kinds = sorted({row.explanation.kind for _, row in rows if row.explanation is not None})
    return {
        "name": f"texts, {name}", "parameters": {"readers": readers, "kinds": kinds},
        "figures": {
            "statement_precision": said.statement_precision, "supported": said.supported, "true": said.true,
            "claims_per_text": said.claims_per_text, "coverage": said.coverage, "texts": said.texts, **varied,
        },
    }  # fmt: skip


def _reviews(demo: Demo, name: str, reviews: int) -> dict[str, Any]:
    """Agreement with what the shopper wrote later, as published work measures it; kept apart from truth."""
    engine = demo.engine

    def explainers(funnel: Funnel, log: Any, reviews: Sequence[Review]) -> Explain:
        return partial(reasons_before(engine, demo.shop, funnel, log, reviews).explain, use=name)

    found = against_reviews(demo.shop, engine, explainers, n=reviews)
    flat = {k: rounded(v) for part in ("variety", "agreement") for k, v in found[part].items()}
    return {"name": f"beside reviews, {name}", "parameters": found["n"], "figures": flat}
