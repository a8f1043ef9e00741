"""Behind the cascade of one set: what was taught in another, as it came and newly bounded, beside its controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.llmrank import print_progress
from benchmarks.rows import row_line
from recsys.calibrating import Calibration, calibrated
from recsys.candidates.scoring import top
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold, split
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.eval.compare import versus
from recsys.eval.evaluate import MAIN
from recsys.eval.measure import CASCADE, DEPTH, Table
from recsys.fitting import Fitted, deps_for, fit_all
from recsys.fitting_rerank import Lists
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import seen
from recsys.rerank.base import Judgement, Reranker
from recsys.settings import evaluation_config
from recsys.types import Request, Slates

WHOLE, TEXTLESS = "fine-tuned", "no-text"  # what was taught: the reranker, and the same head without any text
TOP = 20
HERE = "-calibrated"  # behind the name of a reranker whose bound was chosen on the target's own validation
ENCODER = "encoder-alone"
UNTAUGHT = ("popularity", "dense")  # what the encoder alone is compared with: neither was taught
SHOWN = ("ndcg@10", "hr@10")


def cascade_alone(data: Dataset, config: EngineConfig | None, rerank: Mapping[str, Any] | None = None) -> EngineConfig:
    """Return the settings of a set with the generators of its cascade alone, and the rerankers ``rerank``."""
    plain = (config or evaluation_config(data)).plain()
    plain["variants"] = {plain["variant"]: plain["variants"][plain["variant"]]}
    names = plain["variants"][plain["variant"]].get("candidates") or plain["candidates"]
    plain["candidates"] = {n: stage for n, stage in plain["candidates"].items() if n in names}
    return EngineConfig.of({**plain, "rerank": dict(rerank or {})})


def chosen_bound(said: Calibration) -> dict[str, Any]:
    """Return what validation found, by bound, and the bound that was taken; 0 where none was accepted."""
    bound = said.max_move if said.accepted else 0
    return {"validation": dict(said.ndcg), "p_validation": said.p, "bound": "any" if bound is None else bound}


def target_lines(
    data: Dataset, name: str, folder: Path, config: EngineConfig | None = None, registry: Registry | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a line a row of one target: its cascade, and behind it what was taught in the source, with controls."""
    registry = registry or Registry()
    config, folds = cascade_alone(data, config), split(data.log, "leave-one-out")
    variant = config.variants[config.variant]
    fitted = fit_all(config, registry, data, folds.rank, folds.test.fit, FitOptions(seed=seed), print_progress)
    rerankers, chosen = brought(config, registry, data, fitted, folds.valid, folds.test.fit, variant, folder, seed)
    encoder = rerankers["transferred"]
    top = {n: {"use": "compressed", "top": TOP} for n in rerankers}
    table = Table(
        cascade_alone(data, config, top), replace(fitted, rerankers=rerankers), variant,
        [*(n for n in UNTAUGHT if n in fitted.generators), CASCADE, *(f"{CASCADE}+{n}" for n in rerankers)],
        {ENCODER: lambda part: everything(encoder, folds.test, part)}, registry,
    )  # fmt: skip
    print_progress("measuring on test")
    figures = table.measure(folds.test, len(data.items))
    about = {
        "set": name, "data": data.name, "part": "measured", "requests": len(folds.test),
        "items": len(data.items), "top": TOP, "settings_hash": config.hash,
    }  # fmt: skip
    compared = versus({row: f.metrics[MAIN] for row, f in figures.items()}, _families(figures), seed=seed)
    return [
        row_line(
            row, {m: f.metrics[m] for m in SHOWN}, compared[row], about, chosen.get(row.removeprefix(f"{CASCADE}+"))
        )
        for row, f in figures.items()
    ]  # fmt: skip


def brought(
    config: EngineConfig, registry: Registry, data: Dataset, fitted: Fitted, valid: Fold, log: EventLog,
    variant: Variant, folder: Path, seed: int,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:  # fmt: skip
    """Return what was taught in the source over the catalogue of a target, and what is known of each bound.

    Each comes as it came, with the bound that the source's validation chose, and once more with one that the target's
    validation chose; no weight is changed in either. "-permuted" reads the texts of other items.
    """
    deps = deps_for(data, registry, log, config)
    came = {
        n: registry.build("rerankers", {"use": "compressed", "artifact": f"file://{folder / n}"}, deps)
        for n in (WHOLE, TEXTLESS)
    }
    whole = came[WHOLE]
    forms = {
        "transferred": whole, "transferred-permuted": whole.over(data.items, deps.popularity, text="permuted"),
        "transferred-no-text": came[TEXTLESS],
    }  # fmt: skip
    lists = Lists(config, registry, data, fitted, FitOptions(seed=seed), print_progress)
    judges = lists.to_judge(variant, valid, TOP)
    out, chosen = dict(forms), {}
    for name, reranker in forms.items():
        bound = reranker.config.max_move
        chosen[name] = {"bound": "any" if bound is None else bound}
        print_progress(f"calibrating {name}")
        out[name + HERE], said = calibrated(reranker, judges.requests, judges.slates, judges.labels, seed=seed)
        chosen[name + HERE] = chosen_bound(said)
    return {**out, ENCODER: Follows(Reranker.Config(), data.items, whole)}, chosen


class Follows(Reranker):
    """Orders by the encoder of a `compressed` alone: how well a candidate's text follows the history."""

    def __init__(self, config: Any, items: ItemTable, model: Any) -> None:
        super().__init__(config, items)
        self.model, self._codes = model, model.codes().astype(np.float32)

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        wanted = self.model.wanted(requests)[slates.request_index]
        fit = np.einsum("md,md->m", wanted, self._codes[slates.items])
        return Judgement(np.where(wanted.any(axis=1), fit, np.nan).astype(np.float32))


def everything(model: Any, fold: Fold, part: slice) -> Slates:
    """Return the best of all items by the encoder alone for some requests of a fold, seen items masked."""
    histories = [fold.history.history(int(u)) for u in fold.users[part]]
    scores = model.wanted([Request(history=h) for h in histories]) @ model.codes().astype(np.float32).T
    for row, history in zip(scores, histories, strict=True):
        row[seen(history)] = -np.inf
    return top(scores, DEPTH, None)


def _families(rows: Iterable[str]) -> dict[str, list[str]]:
    """Return what is held against what: all against the cascade, each form against its controls, the encoder alone."""
    out = {CASCADE: [row for row in rows if row.startswith(f"{CASCADE}+")]}
    for end in ("", HERE):
        for control in ("permuted", "no-text"):
            out[f"{CASCADE}+transferred-{control}{end}"] = [f"{CASCADE}+transferred{end}"]
    return out | {base: [ENCODER] for base in UNTAUGHT}
