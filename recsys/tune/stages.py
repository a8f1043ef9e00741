"""Settings chosen on validation alone: each generator, then the fusion, then the ranker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import normalised
from recsys.config import EngineConfig, Variant
from recsys.data.splits import Fold, Split, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.fitting import (
    Fitted,
    Progress,
    build_generators,
    deps_for,
    fit_generators,
    plan_for,
    silent,
    training_slates,
)
from recsys.funnel import Funnel
from recsys.kept import fit_or_read
from recsys.ndcg import worth
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.requests import fold_requests, labels_of
from recsys.tune.study import Budget, Space, Studies, Values
from recsys.tune.trials import Trials
from recsys.types import Request, Slates

REQUESTS = 5_000  # a sample is enough to order settings, and every setting is measured on the same one
WEIGHTS = (0.0, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)


def tune(
    data: Dataset, split_name: str, config: EngineConfig, *, requests: int = REQUESTS,
    only: Sequence[str] | None = None, budget: Budget | None = None, how: FitOptions | None = None,
    progress: Progress = silent,
) -> EngineConfig:  # fmt: skip
    """Return ``config`` with every setting that a component declares in its SPACE chosen by NDCG@10 on validation.

    Component by component, each on its share of ``budget`` (see `Studies`); then the fusion weights, which cost next
    to nothing to try, one after the other. The test fold is never touched. ``only`` names the generators and the
    ranker whose settings are searched (None: all); the fusion weights always are. ``how`` to fit, but for the seed;
    of generators, only those with the given settings are kept.

    Raises:
        DataError: the data has too few events for the split, or the study is no file of one. ConfigError: ``only``
            names what is not there. PluginUnavailable: optuna is not installed.
    """
    if odd := [name for name in only or () if name not in config.candidates and name not in config.rank]:
        raise ConfigError(f"nothing to tune is named {', '.join(odd)}: choose among {', '.join(config.candidates)}")
    folds = split(data.log, split_name)
    if not len(folds.valid):
        raise DataError("nothing to tune on: no shopper has a validation target under this split")
    variant = config.variants[config.variant]
    names = [name for name in (*config.candidates, variant.rank) if name and (only is None or name in only)]
    studies = Studies(budget or Budget(), _mark(data, split_name, requests, config), len(names), config.seed)
    fold = folds.valid.sample(requests, config.seed)
    chunks = tuple(fold_requests(fold, len(data.items), config.hide_seen))
    how = replace(how or FitOptions(), seed=config.seed)
    stages = _Stages(data, folds, fold, chunks, variant, studies, how, progress)
    fitted: dict[str, Any] = {}
    for name in config.candidates:
        config, fitted[name] = stages.generator(config, name, name in names)
    config = stages.fusion(config, fitted)
    return stages.ranker(config, variant.rank, fitted) if variant.rank in names else config


@dataclass(frozen=True, slots=True, eq=False)
class _Stages:
    """What every stage is searched on.

    ``chunks`` are the validation requests of the sample ``fold``, each with the part of it that it is.
    """

    data: Dataset
    folds: Split
    fold: Fold
    chunks: tuple[tuple[slice, list[Request]], ...]
    variant: Variant
    studies: Studies
    how: FitOptions
    progress: Progress
    registry: Registry = field(default_factory=Registry)

    def generator(self, config: EngineConfig, name: str, search: bool) -> tuple[EngineConfig, Any]:
        """Return ``config`` with the best values of one generator, and it fitted with them."""
        if config.candidates[name].use == "blend":
            config = _parts_of_blend(config, name)
        fit_data, deps = self.data.with_log(self.fold.fit), deps_for(self.data, self.registry, self.fold.fit)

        def made(values: Values) -> Any:
            changed = _with_options(config, "candidates", name, values)
            built = build_generators(changed, self.registry, deps, [name])[name]
            return fit_or_read(built, fit_data, replace(self.how, kept=None) if values else self.how, deps)[0]

        def measure(generator: Any) -> float:
            return self._ndcg([generator.generate(requests, 10) for _, requests in self.chunks])

        stage = config.candidates[name]
        space = getattr(self.registry.get("candidates", stage.use), "SPACE", {}) if search else {}
        return self._searched(config, "candidates", name, stage.options, space, made, measure)

    def fusion(self, config: EngineConfig, fitted: Mapping[str, Any]) -> EngineConfig:
        """Return ``config`` with the weights that rank best what the generators of the variant find."""
        names = self.variant.candidates or tuple(config.candidates)
        funnel = Funnel(plan_for(config, Fitted(fitted, {}), self.variant), strict=True)
        shares: list[NDArray[np.float32]] = []
        hits: list[NDArray[np.bool_]] = []
        lengths: list[NDArray[np.int64]] = []
        for part, requests in self.chunks:
            found, _ = funnel.generate(requests)
            slates = funnel.unite(requests, found, n=10**9)
            y = labels_of(slates.items, slates.request_index, self.fold, part) > 0
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
        self.progress(f"fusion: ndcg@10 of the first hit {best / len(self.fold):.4f} with {chosen}")
        fusion = config.fusion.model_copy(update={"weights": chosen})
        return config.model_copy(update={"fusion": fusion})

    def ranker(self, config: EngineConfig, name: str, fitted: Mapping[str, Any]) -> EngineConfig:
        """Return ``config`` with the best values of the ranker, taught on its own fold."""
        space: Space = getattr(self.registry.get("rankers", config.rank[name].use), "SPACE", {})
        names = self.variant.candidates or tuple(config.candidates)
        fold = self.folds.rank
        deps = deps_for(self.data, self.registry, fold.fit)
        self.progress(f"{name}: what the generators find on its fold")
        earlier, _ = fit_generators(config, self.registry, self.data, fold.fit, self.how, self.progress, names)
        funnel = Funnel(plan_for(config, Fitted(earlier, {}), self.variant), strict=True)
        requests, slates, labels = training_slates(funnel, fold, len(self.data.items), config.hide_seen)
        final = deps_for(self.data, self.registry, self.fold.fit)
        valid = Funnel(plan_for(config, Fitted(fitted, {}), self.variant), strict=True)
        candidates = [valid.candidates(asked) for _, asked in self.chunks]

        def made(values: Values) -> Any:
            changed = _with_options(config, "rank", name, values)
            ranker = self.registry.build("rankers", changed.rank[name].options, deps, f"rank.{name}")
            return ranker.fit(requests, slates, labels, self.how).on_snapshot(final)

        def measure(ranker: Any) -> float:
            return self._ndcg([ranker.rank(r, s, 10) for (_, r), s in zip(self.chunks, candidates, strict=True)])

        # How candidates are found is part of what is measured.
        found = {"candidates": {n: config.candidates[n].options for n in names}, "fusion": config.fusion.model_dump()}
        settings = {**config.rank[name].options, **found}
        return self._searched(config, "rank", name, settings, space, made, measure)[0]

    def _searched(
        self, config: EngineConfig, section: str, name: str, settings: Mapping[str, Any], space: Space,
        made: Callable[[Values], Any], measure: Callable[[Any], float],
    ) -> tuple[EngineConfig, Any]:  # fmt: skip
        """Return ``config`` with the values of ``space`` that measure best, and the component that has them."""
        component = made({})
        if not space:
            self.progress(f"{name}: ndcg@10 {measure(component):.4f} with no settings")
            return config, component
        trials = Trials(made, component)
        now = {setting: getattr(component.config, setting) for setting in space}
        facts = repr(sorted((key, value) for key, value in settings.items() if key not in space))
        values, score, measured = self.studies.best(name, space, now, lambda v: measure(trials.component(v)), facts)
        self.progress(f"{name}: ndcg@10 {score:.4f} with {values} ({measured} measured)")
        return _with_options(config, section, name, values), trials.component(values)

    def _ndcg(self, answers: Sequence[Slates]) -> float:
        """Return mean NDCG@10: with one target 1 / log2(1 + rank), with several the usual sum over the ideal one."""
        from recsys.eval.metrics import per_request

        total = 0.0
        for (part, _), slates in zip(self.chunks, answers, strict=True):
            targets = self.fold.targets.take(np.arange(part.start, part.stop))
            total += float(per_request(slates, targets, ("ndcg@10",))["ndcg@10"].sum())
        return total / len(self.fold)


def _mark(data: Dataset, split_name: str, requests: int, config: EngineConfig) -> str:
    """Return what tells a measure from one of other data, another sample of it, or other rules of what counts."""
    events, found = data.log.events, hashlib.sha256()
    for array in (data.log.offsets, events.rows, events.times, events.weights):
        found.update(array.tobytes())
    plain = config.plain()
    found.update(repr((len(data.items), split_name, requests, config.seed, config.hide_seen, plain["events"])).encode())
    return found.hexdigest()


def _parts_of_blend(config: EngineConfig, name: str) -> EngineConfig:
    """Give a blend's parts the settings that the generators of the same names have been tuned to."""
    from recsys.candidates.blend import Blend

    blend = Blend.Config.model_validate({k: v for k, v in config.candidates[name].options.items() if k != "use"})
    parts = {
        part: config.candidates[part].options if part in config.candidates else options
        for part, options in blend.parts.items()
    }
    return _with_options(config, "candidates", name, {"parts": parts, "weights": blend.weights})


def _first_hit(
    scores: NDArray[np.float32], y: NDArray[np.bool_], owner: NDArray[np.int64], starts: NDArray[np.int64]
) -> float:
    """Return the summed discount of each request's best hit within the first ten: NDCG@10 where there is one target."""
    best = np.maximum.reduceat(np.where(y, scores, -np.inf), starts)
    rank = np.add.reduceat((scores >= best[owner]).astype(np.int32), starts)
    return float(worth(rank[rank <= 10] - 1).sum())


def _with_options(config: EngineConfig, section: str, name: str, values: Mapping[str, Any]) -> EngineConfig:
    plain = config.plain()
    plain[section][name] = {**plain[section][name], **values}
    return EngineConfig.of(plain)


def to_toml(config: EngineConfig, heading: str) -> str:
    """Return the settings as TOML with a comment on top, ready for a file that `EngineConfig.read` takes."""
    import tomli_w

    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return comment + "\n" + tomli_w.dumps(config.plain())
