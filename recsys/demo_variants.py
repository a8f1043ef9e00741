"""The demo's variants side by side: without a language model, zero-shot, fine-tuned; what moved, and which reasons."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from recsys.config import EngineConfig
from recsys.errors import RecsysError
from recsys.eval.cases import collected
from recsys.eval.generation_share import generation_figures
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.result import Result
from recsys.runtime.models import ModelRef

if TYPE_CHECKING:
    from recsys.demo import Demo

PLAIN = "no-llm"
SETTINGS = "demo.toml"
LISTED = 10
WAIT_S = 20.0  # for the reasons of one list


def offered() -> dict[str, Any]:
    """Return the packaged settings of the variants, as plain values."""
    values: dict[str, Any] = tomllib.loads((files("recsys") / "tuned" / SETTINGS).read_text(encoding="utf-8"))
    return values


def with_variants(config: EngineConfig, registry: Registry) -> tuple[EngineConfig, dict[str, str]]:
    """Return the settings with those variants that can be made here, and why the others cannot, by name."""
    plain, more, missing = config.plain(), offered(), dict[str, str]()
    for name, variant in more["variants"].items():
        try:
            stage = more["rerank"][variant["rerank"]]
            registry.get("rerankers", stage["use"])
            registry.get("explainers", variant["explain"])
            for ref in (stage.get("artifact"), *_models_of(more, variant["explain"])):
                if ref is not None:
                    ModelRef.parse(ref).path()
        except RecsysError as error:
            missing[name] = str(error)
            continue
        plain.setdefault("rerank", {})[variant["rerank"]] = stage
        plain["variants"][name] = {**plain["variants"].get(config.variant, {}), **variant}
        options = more["explain"]["others"].get(variant["explain"])
        if options is not None:
            plain.setdefault("explain", {}).setdefault("others", {})[variant["explain"]] = options
            plain.setdefault("models", {})[options["model"]] = more["models"][options["model"]]
    return EngineConfig.of(plain), missing


def _models_of(more: Mapping[str, Any], explainer: str) -> list[str]:
    options = more["explain"]["others"].get(explainer, {})
    return [more["models"][options["model"]]["ref"]] if "model" in options else []


def variants_of(engine_config: EngineConfig) -> list[str]:
    """Return the variants to show, the one without a language model first."""
    return [PLAIN, *(n for n in offered()["variants"] if n in engine_config.variants)]


def side_by_side(
    demo: Demo, user: str, grades: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str]
) -> dict[str, Any]:
    """Return the lists of one shopper under each variant: "move" says how many places an item went up from "no-llm".

    ``grades`` are figures of each variant, as `recsys.demo_grades.Grades.of_variants` gives them.

    The first request of a variant with written reasons gets the template's words at once; shown are those that come a
    moment later, when the background has written them.
    """
    names = variants_of(demo.engine.config)
    lists: dict[str, Result] = {}
    for name in names:
        first = demo.engine.recommend(user, LISTED, now=demo.now, variant=name, explain=True)
        if first.pending and demo.engine.wait_for_reasons(WAIT_S):
            first = demo.engine.recommend(user, LISTED, now=demo.now, variant=name, explain=True)
        lists[name] = first
    before = {row.item_id: row.rank for row in lists[names[0]]}
    return {
        "user_id": user,
        "missing": dict(missing),
        "lists": [
            {
                "variant": name, **grades.get(name, {}), "degraded": list(result.trace.degraded),
                "rerank_ms": round(sum(s.took_ms for s in result.trace.stages if s.stage == "rerank"), 2),
                "items": [
                    {
                        "rank": row.rank, "item_id": row.item_id, "title": row.title,
                        "move": before[row.item_id] - row.rank if row.item_id in before else None,
                        "explanation": None if row.explanation is None else row.explanation.to_dict(),
                    }
                    for row in result
                ],
            }
            for name, result in lists.items()
        ],
    }  # fmt: skip


def written(demo: Demo, users: Sequence[str], explainer: str = "generate") -> dict[str, Any] | None:
    """Return how the reasons of a writing explainer do on these shoppers' lists; None where there is none.

    Figures are those of `recsys.eval.generation_share`.
    """
    if explainer not in demo.engine.config.explain.others:
        return None
    cases = collected(demo.engine, users, demo.now)
    deps = Deps(items=demo.shop.dataset.items, models=demo.engine.config.models)
    options = {"use": explainer, **demo.engine.config.explain.others[explainer]}
    one = demo.engine.registry.build("explainers", options, deps, f"explain.others.{explainer}")
    plain = demo.engine.registry.build("explainers", {"use": "template"}, deps, "explain")
    return {"explainer": explainer, **generation_figures(cases, one, plain).to_dict()}
