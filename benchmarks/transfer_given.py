"""Given candidates in the order of an encoder that learned in another category: no interaction of the set is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.llmrank import installed, print_progress
from benchmarks.rows import row_line
from recsys.data.given import INFO_KEY, Given
from recsys.data.splits import split
from recsys.dataset import Dataset
from recsys.eval.compare import versus
from recsys.eval.evaluate import MAIN
from recsys.eval.given import alone, fold_of, given_config, unfitted_rerankers
from recsys.eval.given_fit import drawn, slates_of
from recsys.eval.metrics import per_request
from recsys.fitting import deps_for
from recsys.registry import Registry
from recsys.requests import fold_requests
from recsys.rerank.mixing import standardised
from recsys.types import Request, Slates

METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20")
ENCODER, PERMUTED = "encoder", "encoder-permuted"
# Encoders that nobody taught. Settings of "zero-shot" were chosen on drawn validation lists of both given sets, those
# of "bi-encoder" are its defaults.
UNTAUGHT = ("bi-encoder", "zero-shot")


def small_lists(data: Dataset, lists: int = 50, size: int = 20) -> Dataset:
    """Return a data set with drawn lists, for a trial."""
    fold = split(data.log, "leave-one-out").test.sample(lists)
    users = tuple(data.log.users[u] for u in fold.users)
    return replace(data, info={**data.info, INFO_KEY: Given(users, drawn(fold, len(data.items), size, 0))})


def given_lines(
    data: Dataset, name: str, folder: Path, untaught: Sequence[str] | None = None, registry: Registry | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a line a row: what was taught elsewhere, what nobody taught, and the mean of both.

    Mixed scores are standardised by list and count the same: no weight is chosen anywhere.
    """
    registry = registry or Registry()
    names = installed(UNTAUGHT) if untaught is None else list(untaught)
    config = given_config(data, None, names, registry=registry)
    given: Given = data.info[INFO_KEY]
    fold = fold_of(split(data.log, "leave-one-out").test, data, given)
    nothing = data.log.as_of(np.zeros(len(data.log), dtype=np.bool_))
    deps = deps_for(data, registry, nothing, config)
    model = registry.build("rerankers", {"use": "compressed", "artifact": f"file://{folder}"}, deps)
    models = {ENCODER: model, PERMUTED: model.over(data.items, text="permuted")}
    others = {n: alone(r) for n, r in unfitted_rerankers(config, registry, data).items()}
    parts: dict[str, list[dict[str, NDArray[np.float32]]]] = {}
    for part, requests in fold_requests(fold, len(data.items), False, k=given.rows.shape[1]):
        slates, targets = slates_of(given.rows[part]), fold.targets.take(np.arange(part.start, part.stop))
        slates = slates.ordered(-np.arange(len(slates.items), dtype=np.float32))
        for row, scores in scored(models, others, requests, slates).items():
            found = slates.ordered(np.nan_to_num(scores, nan=-np.inf).astype(np.float32))
            parts.setdefault(row, []).append(per_request(found, targets, METRICS))
    values = {row: {m: np.concatenate([p[m] for p in found]) for m in METRICS} for row, found in parts.items()}
    print_progress(f"{len(values)} orders of {len(fold)} lists")
    about = {
        "set": name, "data": data.name, "part": "given", "lists": len(fold), "size": given.rows.shape[1],
        "items": len(data.items),
    }  # fmt: skip
    main = {row: v[MAIN] for row, v in values.items()}
    compared = versus(main, dict.fromkeys((*names, PERMUTED), main), seed=seed)
    return [row_line(row, found, compared[row], about) for row, found in values.items()]


def scored(
    models: Mapping[str, Any], others: Mapping[str, Any], requests: Sequence[Request], slates: Slates
) -> dict[str, NDArray[Any]]:
    """Return (m,) scores by row."""
    owner, b = slates.request_index, len(slates)
    out: dict[str, NDArray[Any]] = {}
    for name, model in models.items():
        codes = model.codes().astype(np.float32)[slates.items]
        out[name] = np.einsum("md,md->m", model.wanted(requests)[owner], codes)
    mine = standardised(out[ENCODER], owner, b)
    for name, other in others.items():
        out[name] = other.judge(requests, slates).scores
        out[f"{ENCODER}+{name}"] = mine + standardised(out[name], owner, b)
    return out
