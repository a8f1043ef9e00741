"""Settings chosen on validation alone: each generator, then the fusion, then the ranker, one value at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import normalised
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold, Split, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.fitting import Fitted, Progress, build_generators, deps_for, plan_for, silent, training_slates
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests, labels_of
from recsys.types import Request, Slates

REQUESTS = 5_000  # a sample is enough to order settings, and every setting is measured on the same one
WEIGHTS = (0.0, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)
# Settings that only act when a request is answered: trying them needs no new fit.
AT_REQUEST = frozenset({"decay", "limit", "prior", "weights"})


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """The validation requests of the sample in chunks, with the part of the fold that each chunk is."""

    fold: Fold
    chunks: tuple[tuple[slice, list[Request]], ...]


def tune(
    data: Dataset, split_name: str, config: EngineConfig, *, requests: int = REQUESTS,
    only: Sequence[str] | None = None, progress: Progress = silent,
) -> EngineConfig:  # fmt: skip
    """Return ``config`` with every setting that a component declares in its SPACE chosen by NDCG@10 on validation.

    Coordinate search: one setting after the other, in the declared order, keeps its best value. The test fold is
    never touched. ``only`` names the generators and the ranker whose settings are searched (None: all); the fusion
    weights always are.

    Raises:
        DataError: the data has too few events for the split. ConfigError: ``only`` names what is not there.
    """
    if odd := [name for name in only or () if name not in config.candidates and name not in config.rank]:
        raise ConfigError(f"nothing to tune is named {', '.join(odd)}: choose among {', '.join(config.candidates)}")
    registry, options = Registry(), FitOptions(seed=config.seed)
    folds = split(data.log, split_name)
    if not len(folds.valid):
        raise DataError("nothing to tune on: no shopper has a validation target under this split")
    fold = folds.valid.sample(requests, config.seed)
    batch = _Batch(fold, tuple(fold_requests(fold, len(data.items), config.hide_seen)))
    fitted: dict[str, Any] = {}
    for name in config.candidates:
        search = only is None or name in only
        config, fitted[name] = _generator(config, registry, data, name, batch, options, progress, search)
    variant = config.variants[config.variant]
    config = _fusion(config, fitted, variant, batch, progress)
    if variant.rank is not None and (only is None or variant.rank in only):
        config = _ranker(config, registry, data, folds, variant, batch, fitted, options, progress)
    return config


def _generator(
    config: EngineConfig, registry: Registry, data: Dataset, name: str, batch: _Batch, options: FitOptions,
    progress: Progress, search: bool,
) -> tuple[EngineConfig, Any]:  # fmt: skip
    stage = config.candidates[name]
    fit_data = data.with_log(batch.fold.fit)

    def made(values: Mapping[str, Any]) -> Any:
        changed = _with_options(config, "candidates", name, values)
        deps = deps_for(data, registry, batch.fold.fit)
        return build_generators(changed, registry, deps, [name])[name].fit(fit_data, options)

    if stage.use == "blend":
        config = _parts_of_blend(config, name)
        stage = config.candidates[name]
    space: Mapping[str, Sequence[Any]] = getattr(registry.get("candidates", stage.use), "SPACE", {}) if search else {}
    values, generator, score = _search(
        made, space, {}, lambda g: _ndcg([g.generate(r, 10) for _, r in batch.chunks], batch)
    )
    progress(f"{name}: ndcg@10 {score:.4f} with {values or 'no settings'}")
    return _with_options(config, "candidates", name, values), generator


def _parts_of_blend(config: EngineConfig, name: str) -> EngineConfig:
    """Give a blend's parts the settings that the generators of the same names have been tuned to."""
    from recsys.candidates.blend import Blend

    blend = Blend.Config.model_validate({k: v for k, v in config.candidates[name].options.items() if k != "use"})
    parts = {
        part: config.candidates[part].options if part in config.candidates else options
        for part, options in blend.parts.items()
    }
    return _with_options(config, "candidates", name, {"parts": parts, "weights": blend.weights})


def _search(
    made: Callable[[Mapping[str, Any]], Any], space: Mapping[str, Sequence[Any]], start: Mapping[str, Any],
    measure: Callable[[Any], float],
) -> tuple[dict[str, Any], Any, float]:  # fmt: skip
    """Return the chosen values, the component that has them, and its score."""
    chosen = dict(start)
    component = made(chosen)
    best = measure(component)
    for setting, candidates in space.items():
        now = getattr(component.config, setting)
        for value in candidates:
            if value == now:
                continue
            if setting in AT_REQUEST:
                trial = component
                keep = component.config
                component.config = keep.model_copy(update={setting: value})
                score = measure(component)
                if score > best:
                    best, chosen = score, {**chosen, setting: value}
                else:
                    component.config = keep
            else:
                trial = made({**chosen, setting: value})
                score = measure(trial)
                if score > best:
                    best, chosen, component = score, {**chosen, setting: value}, trial
    return chosen, component, best


def _ndcg(answers: Sequence[Slates], batch: _Batch) -> float:
    """Return mean NDCG@10: with one target 1 / log2(1 + rank), with several the usual sum over the ideal one."""
    from recsys.eval.metrics import per_request

    total = 0.0
    for (part, _), slates in zip(batch.chunks, answers, strict=True):
        targets = batch.fold.targets.take(np.arange(part.start, part.stop))
        total += float(per_request(slates, targets, ("ndcg@10",))["ndcg@10"].sum())
    return total / len(batch.fold)


def _fusion(
    config: EngineConfig, fitted: Mapping[str, Any], variant: Variant, batch: _Batch, progress: Progress
) -> EngineConfig:
    names = variant.candidates or tuple(config.candidates)
    funnel = Funnel(plan_for(config, Fitted(fitted, {}), variant), strict=True)
    shares: list[NDArray[np.float32]] = []
    hits: list[NDArray[np.bool_]] = []
    lengths: list[NDArray[np.int64]] = []
    for part, requests in batch.chunks:
        found, _ = funnel.generate(requests)
        slates = funnel.unite(requests, found, n=10**9)
        y = labels_of(slates.items, slates.request_index, batch.fold, part) > 0
        has = np.bincount(slates.request_index, weights=y, minlength=len(slates)) > 0
        keep = has[slates.request_index]
        columns = [normalised(slates.columns[f"{n}_score"], slates)[keep] for n in names]
        shares.append(np.stack(columns))
        hits.append(y[keep])
        lengths.append(slates.lengths[has])
    if not sum(len(n) for n in lengths):
        return config
    x, y, n = np.concatenate(shares, axis=1), np.concatenate(hits), np.concatenate(lengths)
    starts = np.cumsum(n) - n
    owner = np.repeat(np.arange(len(n)), n)
    weights = np.array([config.fusion.weights.get(name, config.fusion.default) for name in names], dtype=np.float32)
    best = _first_hit(weights @ x, y, owner, starts)
    for _ in range(3):
        before = best
        for i in range(len(names)):
            for value in WEIGHTS:
                trial = weights.copy()
                trial[i] = value
                score = _first_hit(trial @ x, y, owner, starts)
                if score > best:
                    best, weights = score, trial
        if best == before:
            break
    chosen = {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}
    progress(f"fusion: ndcg@10 of the first hit {best / len(batch.fold):.4f} with {chosen}")
    fusion = config.fusion.model_copy(update={"weights": chosen})
    return config.model_copy(update={"fusion": fusion})


def _first_hit(
    scores: NDArray[np.float32], y: NDArray[np.bool_], owner: NDArray[np.int64], starts: NDArray[np.int64]
) -> float:
    """Return the summed discount of each request's best hit within the first ten: NDCG@10 where there is one target."""
    best = np.maximum.reduceat(np.where(y, scores, -np.inf), starts)
    rank = np.add.reduceat((scores >= best[owner]).astype(np.int32), starts)
    return float((1.0 / np.log2(1.0 + rank[rank <= 10])).sum())


def _ranker(
    config: EngineConfig, registry: Registry, data: Dataset, folds: Split, variant: Variant, batch: _Batch,
    fitted: Mapping[str, Any], options: FitOptions, progress: Progress,
) -> EngineConfig:  # fmt: skip
    name = variant.rank or ""
    component = registry.get("rankers", config.rank[name].use)
    space: Mapping[str, Sequence[Any]] = getattr(component, "SPACE", {})
    if not space:
        return config
    names = variant.candidates or tuple(config.candidates)
    deps = deps_for(data, registry, folds.rank.fit)
    earlier = build_generators(config, registry, deps, names)
    for generator_name, generator in earlier.items():
        progress(f"{name}: fitting {generator_name} on the ranker's fold")
        earlier[generator_name] = generator.fit(data.with_log(folds.rank.fit), options)
    funnel = Funnel(plan_for(config, Fitted(earlier, {}), variant), strict=True)
    requests, slates, labels = training_slates(funnel, folds.rank, len(data.items), config.hide_seen)
    final = deps_for(data, registry, batch.fold.fit)
    valid = Funnel(plan_for(config, Fitted(fitted, {}), variant), strict=True)
    candidates = [valid.candidates(r) for _, r in batch.chunks]

    def made(values: Mapping[str, Any]) -> Any:
        changed = _with_options(config, "rank", name, values)
        ranker = registry.build("rankers", changed.rank[name].options, deps, f"rank.{name}")
        return ranker.fit(requests, slates, labels, options).on_snapshot(final)

    def measure(ranker: Any) -> float:
        answers = [ranker.rank(r, s, 10) for (_, r), s in zip(batch.chunks, candidates, strict=True)]
        return _ndcg(answers, batch)

    values, _, score = _search(made, space, {}, measure)
    progress(f"{name}: ndcg@10 {score:.4f} with {values or 'no settings'}")
    return _with_options(config, "rank", name, values)


def _with_options(config: EngineConfig, section: str, name: str, values: Mapping[str, Any]) -> EngineConfig:
    plain = config.plain()
    plain[section][name] = {**plain[section][name], **values}
    return EngineConfig.of(plain)


def to_toml(config: EngineConfig, heading: str) -> str:
    """Return the settings as TOML with a comment on top, ready for a file that `EngineConfig.read` takes."""
    import tomli_w

    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return comment + "\n" + tomli_w.dumps(config.plain())
