"""The rating regressor: a linear model and LightGBM over cross-fitted estimates, averaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.dataset import ItemTable
from recsys.errors import ArtifactDamaged, ArtifactMissing, DataError, NotFittedError, ShapeMismatch
from recsys.protocols import FitOptions
from recsys.rate.factors import Factors
from recsys.rate.knowledge import LINEAR, Knowledge
from recsys.rate.ratings import Asked, Floats, Ratings

ROUND_FOLDS = 4  # what the number of trees is cross-validated on


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What the regressor learns from: ``x`` (n, f) cross-fitted features named ``names``, ``y`` (n,) ratings."""

    names: tuple[str, ...]
    x: Floats
    y: Floats


class RatingRegressor:
    """What a shopper would rate an item, clipped to the scale of the ratings it learned from.

    Every training row's features come from `Knowledge` that was fitted without the fold of that row, so no rating is
    among what foretells it; at prediction from all of them (stacked generalisation, Wolpert 1992; library: LightGBM).
    Shoppers are read from the ratings that they show; what is kept of the ratings learned from is theirs by item, and
    what `save` writes names no shopper.
    """

    class Config(BaseModel):
        """``factors`` and dampings are those of `Factors` and `Biases`; the rest is LightGBM's, by its own names.

        ``order`` "random" cross-fits over ``folds`` random parts; "time" foretells each of ``folds`` periods from
        those before it alone, for whoever is asked about a time after the last rating. ``penalty`` is that of the
        linear model.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        factors: Factors.Config = Factors.Config()
        user_damping: float = Field(5.0, gt=0)
        item_damping: float = Field(5.0, gt=0)
        order: Literal["random", "time"] = "random"
        folds: int = Field(5, ge=2)
        penalty: float = Field(100.0, gt=0)
        learning_rate: float = Field(0.04, gt=0)
        num_leaves: int = Field(7, ge=2)
        min_data_in_leaf: int = Field(40, ge=1)
        lambda_l2: float = Field(10.0, ge=0)
        feature_fraction: float = Field(0.4, gt=0, le=1)
        bagging_fraction: float = Field(0.7, gt=0, le=1)
        max_rounds: int = Field(800, ge=1)
        patience: int = Field(60, ge=1)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.knowledge: Knowledge | None = None
        self.rounds = 0
        self._linear: _Linear | None = None
        self._trees: Any = None
        self._names: tuple[str, ...] = ()
        self._scale = (0.0, 0.0)

    def fit(self, ratings: Ratings, items: ItemTable, options: FitOptions) -> Self:
        """Learn from ratings and from the texts of items.

        Raises:
            DataError: fewer ratings than folds.
        """
        return self.learn(self.cross_fitted(ratings, items, options), self.known(ratings, items, options), options)

    def cross_fitted(self, ratings: Ratings, items: ItemTable, options: FitOptions) -> Design:
        """Return features of ratings, each from knowledge without its fold; by time, the first period has none.

        Raises:
            DataError: fewer ratings than folds.
        """
        names: tuple[str, ...] = ()
        parts, values = [], []
        for known, held in self.folds(ratings, options.seed):
            before = ratings.take(known)
            columns = self.known(before, items, options).features(before, ratings.take(held).asked)
            names = tuple(columns)
            parts.append(np.stack(list(columns.values()), axis=1))
            values.append(ratings.values[held])
        return Design(names, np.concatenate(parts), np.concatenate(values))

    def folds(self, ratings: Ratings, seed: int) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return masks (n,) of what is known and of what is then foretold, a pair a fold."""
        k, n = self.config.folds, len(ratings)
        if n <= k:
            raise DataError(f"{n} ratings are too few for {k} folds: give more ratings or fewer folds")
        if self.config.order == "random":
            fold = np.random.default_rng(seed).permutation(n) % k
            return [(fold != f, fold == f) for f in range(k)]
        edges = np.unique(np.quantile(ratings.times, np.linspace(0, 1, k + 2)[1:-1], method="higher"))
        period = np.searchsorted(edges, ratings.times, side="right")
        folds = [(period < p, period == p) for p in range(1, len(edges) + 1)]
        return [(known, held) for known, held in folds if known.any() and held.any()]

    def known(self, ratings: Ratings, items: ItemTable, options: FitOptions) -> Knowledge:
        """Return what features are made of, from all ``ratings``."""
        c = self.config
        return Knowledge.fit(ratings, items, c.factors, (c.user_damping, c.item_damping), options.seed)

    def learn(self, design: Design, knowledge: Knowledge, options: FitOptions) -> Self:
        """Learn from what `cross_fitted` returned, and foretell from what `known` did, both of the same ratings."""
        import lightgbm as lgb

        self.knowledge, self._scale, self._names = knowledge, knowledge.ratings.scale, design.names
        self._linear = _Linear.fit(design, self.config.penalty)
        self.rounds = self._rounds(design, options)
        self._trees = lgb.train(self._parameters(options), lgb.Dataset(design.x, design.y), self.rounds)
        return self

    def _rounds(self, design: Design, options: FitOptions) -> int:
        """Return the mean number of trees that is best for held-out folds."""
        import lightgbm as lgb

        fold = np.random.default_rng(options.seed + 1).permutation(len(design.y)) % ROUND_FOLDS
        rounds = []
        for f in range(ROUND_FOLDS):
            held = fold == f
            train = lgb.Dataset(design.x[~held], design.y[~held])
            model = lgb.train(
                self._parameters(options), train, self.config.max_rounds,
                valid_sets=[lgb.Dataset(design.x[held], design.y[held], reference=train)],
                callbacks=[lgb.early_stopping(self.config.patience, verbose=False)],
            )  # fmt: skip
            rounds.append(model.best_iteration)
        return max(1, round(float(np.mean(rounds))))

    def _parameters(self, options: FitOptions) -> dict[str, Any]:
        c = self.config
        return {
            "objective": "l2", "metric": "l2", "learning_rate": c.learning_rate, "num_leaves": c.num_leaves,
            "min_data_in_leaf": c.min_data_in_leaf, "lambda_l2": c.lambda_l2, "bagging_freq": 1,
            "feature_fraction": c.feature_fraction, "bagging_fraction": c.bagging_fraction, "seed": options.seed,
            "deterministic": True, "force_row_wise": True, "num_threads": options.threads, "verbose": -1,
        }  # fmt: skip

    def predict(self, shown: Ratings, asked: Asked) -> Floats:
        """Return (m,) ratings, from the ratings ``shown`` by the shoppers that are asked about.

        Raises:
            NotFittedError: before `fit` or `load`.
            ShapeMismatch: it was fitted on other features than this version computes.
        """
        knowledge, linear = self._fitted()
        if not len(asked):
            return np.empty(0)
        columns = knowledge.features(shown, asked)
        if tuple(columns) != self._names:
            raise ShapeMismatch("the regressor was fitted on other features: fit again with this version")
        x = np.stack(list(columns.values()), axis=1)
        # Errors of both are unlike: few ratings leave trees unsure, many show what no line can follow.
        out: Floats = np.clip((linear.predict(x) + self._trees.predict(x, num_threads=1)) / 2, *self._scale)
        return out

    def _fitted(self) -> tuple[Knowledge, _Linear]:
        if self.knowledge is None or self._linear is None:
            raise NotFittedError("RatingRegressor is not fitted: call fit() or load() first")
        return self.knowledge, self._linear

    def save(self, folder: Path) -> None:
        """Write what was learned into ``folder``, made where it is not there: arrays, JSON, LightGBM's text.

        Raises:
            NotFittedError: before `fit`.
        """
        knowledge, linear = self._fitted()
        folder.mkdir(parents=True, exist_ok=True)
        knowledge.save(folder)
        write_array(folder / "linear.npy", np.stack([linear.mean, linear.spread, linear.weights]))
        (folder / "trees.txt").write_text(self._trees.model_to_string(), encoding="utf-8")
        facts = {
            "config": self.config.model_dump(), "scale": self._scale, "rounds": self.rounds, "features": self._names,
            "columns": linear.columns, "offset": linear.offset,
        }  # fmt: skip
        write_json(folder / "regressor.json", facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; it answers as it did. Raises `ArtifactMissing` or `ArtifactDamaged`."""
        import lightgbm as lgb

        saved = read_json(folder / "regressor.json")
        out = cls(cls.Config.model_validate(saved["config"]))
        out.knowledge, out.rounds = Knowledge.load(folder), saved["rounds"]
        out._scale, out._names = tuple(saved["scale"]), tuple(saved["features"])
        mean, spread, weights = read_array(folder / "linear.npy")
        out._linear = _Linear(saved["columns"], mean, spread, weights, saved["offset"])
        if not (folder / "trees.txt").is_file():
            raise ArtifactMissing(f"trees.txt is missing in {folder}")
        try:
            out._trees = lgb.Booster(model_str=(folder / "trees.txt").read_text(encoding="utf-8"))
        except lgb.basic.LightGBMError as error:
            raise ArtifactDamaged(f"trees.txt in {folder} is no model of LightGBM: {error}") from error
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """Ridge regression on the standardised columns of `LINEAR` that there are."""

    columns: list[int]
    mean: Floats
    spread: Floats
    weights: Floats
    offset: float

    @classmethod
    def fit(cls, design: Design, penalty: float) -> Self:
        columns = [c for c, name in enumerate(design.names) if name in LINEAR]
        x, y = design.x[:, columns], design.y
        mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        z = (x - mean) / spread
        weights = np.linalg.solve(z.T @ z + penalty * np.eye(len(columns)), z.T @ (y - y.mean()))
        return cls(columns, mean, spread, weights, float(y.mean()))

    def predict(self, x: Floats) -> Floats:
        out: Floats = (x[:, self.columns] - self.mean) / self.spread @ self.weights + self.offset
        return out
