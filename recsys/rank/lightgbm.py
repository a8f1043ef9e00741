"""The pre-ranker: LightGBM LambdaMART over all sources and features, served from ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.dataset import ItemTable
from recsys.errors import ArtifactMissing, DataError, NotFittedError, ShapeMismatch
from recsys.protocols import Contributions, Delta, Deps, FitOptions
from recsys.rank.features.builder import MISSING, FeatureBuilder
from recsys.rank.features.facts import Facts
from recsys.rank.features.labels import label
from recsys.rank.features.query import Queries
from recsys.rank.lightgbm_native import Native
from recsys.runtime.onnx import OnnxSession
from recsys.types import Request, Scores, Slates, offsets_of

PRIOR = "prior"  # what the fused score adds to the model's, among contributions
POSITION = "position"  # column: where the item was shown when the label was observed, 0 = not logged


class LightGBMRanker:
    """LambdaMART (Burges 2010; library: LightGBM), cross-fitted by request to find the number of trees.

    Where the training slates have a `POSITION` column, LightGBM estimates and removes position bias (its
    ``position`` field); at serving time no position enters. ``prior`` x the fused score is added to the output:
    with few labels a list should not stray far from it. The ONNX graph serves; `native_scores` is the reference.
    """

    class Config(BaseModel):
        """LightGBM's own names; ``folds`` cross-fit, ``max_rounds`` bounds the trees.

        ``later`` > 0 finds the number of trees on that share of the requests instead, the latest by `Request.now`.
        Of each request about ``negatives`` candidates that were not chosen are learned from, drawn at random; None
        learns from all. Features are those of the whole list in either case. ``truncation`` is how far down pairs
        count: where it is small beside the list, a chosen item that stands low teaches little, and with fewer
        ``negatives`` more of the list lies within it.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        learning_rate: float = Field(0.05, gt=0)
        num_leaves: int = Field(15, ge=2)
        min_data_in_leaf: int = Field(100, ge=1)
        lambda_l2: float = Field(5.0, ge=0)
        feature_fraction: float = Field(0.4, gt=0, le=1)
        bagging_fraction: float = Field(0.8, gt=0, le=1)
        truncation: int = Field(30, ge=1)
        max_rounds: int = Field(600, ge=1)
        patience: int = Field(100, ge=1)
        folds: int = Field(3, ge=2)
        later: float = Field(0.0, ge=0, lt=1)
        negatives: int | None = Field(50, ge=1)
        max_bin: int = Field(255, ge=2)
        prior: float = Field(0.1, ge=0)
        threads: int | None = None

    SPACE = {
        "num_leaves": [7, 15, 31],
        "truncation": [10, 30, 50],
        "negatives": [20, 50, 100],
        "prior": [0.0, 0.1, 0.3, 1.0],
    }

    def __init__(self, config: Config | None, facts: Facts) -> None:
        self.config = config or self.Config()
        self.facts = facts
        self.builder: FeatureBuilder | None = None
        self.figures: dict[str, Any] = {}
        self._native = Native("")
        self._session: OnnxSession | None = None
        self._onnx = b""

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings; needs the catalogue and its popularity."""
        items = deps.items if deps.items is not None else ItemTable.of([])
        counts = deps.popularity if deps.popularity is not None else np.zeros(len(items), dtype=np.float32)
        return cls(config, Facts(items, counts))

    def fit(
        self, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], options: FitOptions
    ) -> Self:
        """Learn from the requests that have a positive and a negative label.

        Raises:
            DataError: fewer such requests than folds.
        """
        generators = [c.removesuffix("_score") for c in slates.columns if c.endswith("_score") and c != "fused_score"]
        generators = [g for g in generators if f"{g}_rank" in slates.columns]
        builder = FeatureBuilder(generators, Queries.of(requests, slates, self.facts))
        wanted, kept, x, y = self._examples(builder, requests, slates, labels, options)
        position = kept.columns.get(POSITION)
        held = self._held_out(wanted, options)
        rounds, figures = self._rounds(x, y, kept, position, options, held)
        final = self._train(x, y, kept.lengths, position, rounds, options)
        self.builder = builder
        self.figures = {"requests": len(wanted), "rounds": rounds, **figures}
        if position is not None:
            self.figures["share_with_position"] = float((position > 0).mean())
        self._use(final.model_to_string(), _to_onnx(final, len(builder.names)))
        return self

    def again(
        self, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], options: FitOptions
    ) -> Self:
        """Return a twin with as many trees over the same features, learned from these requests instead.

        Its scores of requests that it did not learn from are honest where this ranker's are not: what comes behind a
        ranker and reads its scores must learn from such.

        Raises:
            DataError: as in `fit`.
        """
        builder, _ = self.fitted()
        _, kept, x, y = self._examples(builder, requests, slates, labels, options)
        position = kept.columns.get(POSITION)
        model = self._train(x, y, kept.lengths, position, self.figures["rounds"], options)
        twin = self._on(self.facts)
        twin._use(model.model_to_string(), _to_onnx(model, len(builder.names)))
        return twin

    def _examples(
        self, builder: FeatureBuilder, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32],
        options: FitOptions,
    ) -> tuple[list[Request], Slates, NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
        """Return the requests that have a positive and a negative label, their slates, features and labels."""
        useful = _mixed(slates, labels)
        if int(useful.sum()) < self.config.folds:
            raise DataError(
                f"the ranker needs at least {self.config.folds} requests whose candidates hold a chosen and an "
                f"unchosen item, got {int(useful.sum())}: give more events or more candidates"
            )
        kept = _subset(slates, useful)
        wanted = [r for r, u in zip(requests, useful, strict=True) if u]
        y = labels[useful[slates.request_index]]
        x = builder.compute(wanted, kept, self.facts)
        if self.config.negatives is not None:
            some = _thinned(kept, y, self.config.negatives, options.seed)
            x, y, kept = x[some], y[some], _kept(kept, some)
        return wanted, kept, x, y

    def _held_out(self, requests: Sequence[Request], options: FitOptions) -> list[NDArray[np.bool_]]:
        """Return (b,) masks, one a model to be stopped early: the latest requests, else random folds."""
        if self.config.later:
            now = np.array([r.now for r in requests], dtype=np.int64)
            return [now >= np.sort(now)[min(int((1 - self.config.later) * len(now)), len(now) - 1)]]
        fold = np.random.default_rng(options.seed).integers(self.config.folds, size=len(requests))
        return [fold == k for k in range(self.config.folds)]

    def _rounds(
        self, x: NDArray[np.float32], y: NDArray[np.float32], slates: Slates, position: Any, options: FitOptions,
        parts: Sequence[NDArray[np.bool_]],
    ) -> tuple[int, dict[str, float]]:  # fmt: skip
        import lightgbm as lgb

        rounds, reached = [], []
        for held in parts:
            if held.all() or not held.any():
                continue
            inside = held[slates.request_index]
            seen = None if position is None else position[~inside]
            train = lgb.Dataset(x[~inside], y[~inside], group=slates.lengths[~held], position=seen, free_raw_data=True)
            valid = lgb.Dataset(x[inside], y[inside], group=slates.lengths[held], reference=train)
            model = lgb.train(
                self._parameters(options), train, self.config.max_rounds, valid_sets=[valid],
                callbacks=[lgb.early_stopping(self.config.patience, verbose=False)],
            )  # fmt: skip
            rounds.append(model.best_iteration)
            reached.append(float(model.best_score["valid_0"]["ndcg@10"]))
        if not rounds:
            raise DataError("the ranker's requests are all of one moment: nothing is later than they are")
        return max(1, round(float(np.mean(rounds)))), {"cross_fitted_ndcg@10": float(np.mean(reached))}

    def _train(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        group: Any,
        position: Any,
        rounds: int,
        options: FitOptions,
    ) -> Any:
        import lightgbm as lgb

        return lgb.train(self._parameters(options), lgb.Dataset(x, y, group=group, position=position), rounds)

    def _parameters(self, options: FitOptions) -> dict[str, Any]:
        c = self.config
        return {
            "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "learning_rate": c.learning_rate,
            "num_leaves": c.num_leaves, "min_data_in_leaf": c.min_data_in_leaf, "lambda_l2": c.lambda_l2,
            "feature_fraction": c.feature_fraction, "bagging_fraction": c.bagging_fraction, "bagging_freq": 1,
            "max_bin": c.max_bin, "lambdarank_truncation_level": c.truncation, "label_gain": [0, 1, 3, 7],
            "seed": options.seed, "deterministic": True, "force_row_wise": True, "num_threads": options.threads,
            "verbose": -1,
        }  # fmt: skip

    def _use(self, text: str, onnx: bytes) -> None:
        self._native, self._onnx = Native(text), onnx
        self._session = OnnxSession(onnx, threads=self.config.threads)

    def fitted(self) -> tuple[FeatureBuilder, OnnxSession]:
        """Return features and session. Raises `NotFittedError`."""
        if self.builder is None or self._session is None:
            raise NotFittedError("LightGBMRanker is not fitted: call fit() or load() first")
        return self.builder, self._session

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return the best ``n`` of each request; the incoming score stays in the column "prior_score"."""
        builder, session = self.fitted()
        prior = slates.scores.copy()
        if not len(slates.items):
            return slates.ordered(prior, n, prior_score=prior)
        x = builder.compute(requests, slates, self.facts)
        scores = session.run({"features": x})[session.spec.output_names[0]].reshape(-1)
        return slates.ordered(self._with_prior(scores, slates), n, prior_score=prior, ranker_score=scores)

    def _with_prior(self, scores: Scores, slates: Slates) -> Scores:
        fused = np.nan_to_num(slates.columns["fused_score"], nan=0.0)
        total: Scores = (scores + np.float32(self.config.prior) * fused).astype(np.float32)
        return total

    def native_scores(self, requests: Sequence[Request], slates: Slates) -> Scores:
        """Return what LightGBM itself predicts, ``(m,)``: the reference for the ONNX graph."""
        builder, _ = self.fitted()
        model = self._native.booster
        return np.asarray(model.predict(builder.compute(requests, slates, self.facts)), dtype=np.float32)

    def feature_contributions(
        self, requests: Sequence[Request], slates: Slates, wanted: NDArray[np.bool_]
    ) -> Contributions:
        """Return what the scores of the entries ``wanted`` (m,) are made of, see `recsys.protocols.Decomposable`.

        The feature "prior" is what the fused score adds to that of the model.
        """
        builder, _ = self.fitted()
        # What a feature is depends on the whole list, what it contributes on its own row alone.
        x = builder.compute(requests, slates, self.facts)[wanted]
        said = self._native.contributions(x, self.config.threads or 1)
        names, labels = [*builder.names, PRIOR], [*builder.labels, label(PRIOR)]
        fused = np.nan_to_num(slates.columns["fused_score"][wanted], nan=0.0)
        values = np.column_stack([np.where(x == MISSING, np.nan, x), fused]).astype(np.float32)
        amounts = np.column_stack([said[:, :-1], np.float32(self.config.prior) * fused])
        return Contributions(names, labels, values, amounts, float(said[0, -1]) if len(said) else 0.0)

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the total gain."""
        builder, _ = self.fitted()
        gain = self._native.booster.feature_importance("gain")
        return dict(zip(builder.names, (gain / max(gain.sum(), 1e-9)).tolist(), strict=True))

    def on_snapshot(self, deps: Deps) -> Self:
        """Return the same model over another catalogue and other popularity: the final fit after the ranker's own."""
        return self._on(type(self).from_config(self.config, deps).facts)

    def _on(self, facts: Facts) -> Self:
        out = type(self)(self.config, facts)
        out.builder, out.figures = self.builder, self.figures
        out._native, out._onnx, out._session = self._native, self._onnx, self._session
        return out

    def apply(self, delta: Delta) -> Self:
        """Return the same model over the catalogue as it is now."""
        return self._on(self.facts.after(delta))

    def save(self, folder: Path) -> None:
        """Write the native model as text, the ONNX graph, the popularity counts and what they need."""
        builder, _ = self.fitted()
        (folder / "model.txt").write_text(self._native.text, encoding="utf-8")
        (folder / "model.onnx").write_bytes(self._onnx)
        write_array(folder / "popularity.npy", self.facts.popularity)
        write_json(
            folder / "ranker.json",
            {
                "config": self.config.model_dump(), "generators": list(builder.generators),
                "features": builder.names, "figures": self.figures,
                "queries": None if builder.queries is None else builder.queries.state(),
            },
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote.

        Raises:
            ShapeMismatch: the model was fitted on other features than this version computes.
        """
        saved = read_json(folder / "ranker.json")
        out = cls.from_config(cls.Config.model_validate(saved["config"]), deps)
        popularity = np.array(read_array(folder / "popularity.npy"))
        counts = np.zeros(max(len(out.facts.items), len(popularity)), dtype=np.float32)
        counts[: len(popularity)] = popularity
        out.facts = Facts(out.facts.items, counts)
        # Rankers saved before there was a search have no "queries".
        asked = saved.get("queries")
        out.builder = FeatureBuilder(saved["generators"], None if asked is None else Queries(**asked))
        if out.builder.names != saved["features"]:
            raise ShapeMismatch("the ranker was fitted on other features: fit again with this version")
        out.figures = saved["figures"]
        for name in ("model.txt", "model.onnx"):
            if not (folder / name).is_file():
                raise ArtifactMissing(f"{name} is missing in {folder}")
        out._use((folder / "model.txt").read_text(encoding="utf-8"), (folder / "model.onnx").read_bytes())
        return out


def _mixed(slates: Slates, labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    positives = np.bincount(slates.request_index, weights=labels > 0, minlength=len(slates))
    return (positives > 0) & (positives < slates.lengths)


def _thinned(slates: Slates, labels: NDArray[np.float32], negatives: int, seed: int) -> NDArray[np.bool_]:
    """Return (m,) True for what was chosen and about ``negatives`` others a request, at least one, drawn at random.

    The draw does not look at the place in the list: a model that knows chosen items alone far down would take the
    place itself for a sign of being chosen.
    """
    drawn = np.random.default_rng(seed).random(len(labels))
    owner = slates.request_index
    share = negatives / np.maximum(slates.lengths - 1, 1)
    lowest = np.full(len(slates), np.inf)
    np.minimum.at(lowest, owner[labels <= 0], drawn[labels <= 0])
    kept: NDArray[np.bool_] = (labels > 0) | (drawn < share[owner]) | (drawn == lowest[owner])
    return kept


def _kept(slates: Slates, keep: NDArray[np.bool_]) -> Slates:
    lengths = np.bincount(slates.request_index[keep], minlength=len(slates))
    columns = {name: values[keep] for name, values in slates.columns.items()}
    return Slates(slates.items[keep], slates.scores[keep], offsets_of(lengths), columns)


def _subset(slates: Slates, wanted: NDArray[np.bool_]) -> Slates:
    if wanted.all():
        return slates
    keep = wanted[slates.request_index]
    columns = {name: values[keep] for name, values in slates.columns.items()}
    return Slates(slates.items[keep], slates.scores[keep], offsets_of(slates.lengths[wanted]), columns)


def _to_onnx(model: Any, n_features: int) -> bytes:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    graph = convert_lightgbm(model, initial_types=[("features", FloatTensorType([None, n_features]))], target_opset=15)
    return bytes(graph.SerializeToString())
