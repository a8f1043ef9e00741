"""Settings of rating models, by RMSE on validation: each setting in turn, the others held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.dataset import ItemTable
from recsys.eval.rating_split import RatingSplit
from recsys.protocols import FitOptions
from recsys.rate.biases import Biases
from recsys.rate.factors import Factors
from recsys.rate.regressor import RatingRegressor

DAMPINGS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
# Tried one after the other, from the dampings that the biases have found.
FACTORS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("regularisation", (0.5, 1.0, 1.5, 2.0, 4.0)), ("factors", (5, 20, 50)), ("growth", (0.3, 0.5, 0.7)),
    ("regularisation", (0.7, 1.0, 1.5, 2.5, 8.0)), ("epochs", (5, 10, 20)),
)  # fmt: skip
TREES: tuple[Mapping[str, Any], ...] = (
    {"num_leaves": 4, "min_data_in_leaf": 20}, {"num_leaves": 24, "min_data_in_leaf": 60},
)  # fmt: skip
Progress = Callable[[str], None]


@dataclass(slots=True)
class Tuned:
    """Fitted models by row, and the settings that were chosen for them."""

    models: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def tuned(
    folds: RatingSplit, items: ItemTable, rows: Sequence[str], options: FitOptions, progress: Progress
) -> Tuned:  # fmt: skip
    """Return biases, mf and regressor, as far as ``rows`` ask for them or need them; fitted on ``folds.train``."""
    out = Tuned()
    if {"biases", "mf", "regressor"} & set(rows):
        progress("tuning biases")
        grid = [(u, i) for u in DAMPINGS for i in DAMPINGS]
        damping, out.models["biases"], _ = _best(folds, grid, lambda d: Biases.fit(folds.train, *d))
        out.settings["biases"] = {"user_damping": damping[0], "item_damping": damping[1]}
    if {"mf", "regressor"} & set(rows):
        config = Factors.Config.model_validate(out.settings["biases"])
        config, out.models["mf"] = _factors(folds, config, options, progress)
        out.settings["mf"] = config.model_dump()
    if "regressor" in rows:
        settings = {"factors": config, **out.settings["biases"]}
        out.models["regressor"] = _regressor(folds, items, settings, options, progress)
        out.settings["regressor"] = out.models["regressor"].config.model_dump(exclude={"factors"})
        out.settings["regressor"]["rounds"] = out.models["regressor"].rounds
    return out


def _best(folds: RatingSplit, choices: Sequence[Any], made: Callable[[Any], Any]) -> tuple[Any, Any, float]:
    """Return the choice with the least error on validation, its model and that error."""
    best: tuple[Any, Any, float] | None = None
    for choice in choices:
        model = made(choice)
        foretold = np.clip(model.predict(folds.train, folds.valid.asked), *folds.train.scale)
        error = float(np.mean((foretold - folds.valid.values) ** 2))
        if best is None or error < best[2]:
            best = (choice, model, error)
    assert best is not None, "there is always something to choose from"
    return best


def _factors(
    folds: RatingSplit, config: Factors.Config, options: FitOptions, progress: Progress
) -> tuple[Factors.Config, Factors]:
    tried: dict[Factors.Config, Factors] = {}

    def made(one: Factors.Config) -> Factors:
        if one not in tried:
            tried[one] = Factors.fit(folds.train, one, options.seed)
        return tried[one]

    for name, values in FACTORS:
        choices = [config, *(config.model_copy(update={name: v}) for v in values)]
        config, model, error = _best(folds, choices, made)
        progress(f"mf: rmse {error**0.5:.4f} on validation with {name} {getattr(config, name):g}")
    return config, model


def _regressor(
    folds: RatingSplit, items: ItemTable, settings: Mapping[str, Any], options: FitOptions, progress: Progress
) -> RatingRegressor:
    # Who is asked about a time after all that was learned from is foretold so while learning, too.
    order = "time" if folds.name == "global-time" else "random"
    first = RatingRegressor(RatingRegressor.Config.model_validate({**settings, "order": order}))
    progress("regressor: features")
    design = first.cross_fitted(folds.train, items, options)
    knowledge = first.known(folds.train, items, options)

    def made(trees: Mapping[str, Any]) -> RatingRegressor:
        return RatingRegressor(first.config.model_copy(update=dict(trees))).learn(design, knowledge, options)

    chosen, model, error = _best(folds, TREES, made)
    progress(f"regressor: rmse {error**0.5:.4f} on validation with {dict(chosen)}, {model.rounds} trees")
    found: RatingRegressor = model
    return found
