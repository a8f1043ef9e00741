"""``recsys evaluate --task rating``: how far foretold ratings are from given ones, regressor beside means and MF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.eval.compare import Comparison, Effect, holm
from recsys.eval.rating_split import RatingSplit, split_ratings
from recsys.eval.rating_tune import Tuned, tuned
from recsys.eval.results import Results, Row, settings_hash
from recsys.paired import bootstrap_ci, paired_randomisation
from recsys.protocols import FitOptions
from recsys.rate.biases import damped_means
from recsys.rate.ratings import Asked, Floats, Ratings

MAIN = "rmse"
ROWS = ("global-mean", "user-mean", "item-mean", "biases", "mf", "regressor")
BASELINES = ("mf", "biases")
RESAMPLES = 1000
Progress = Callable[[str], None]


def evaluate_rating(
    data: Dataset, split_name: str = "random", *, seed: int = 0, rows: Sequence[str] | None = None,
    progress: Progress = lambda _: None,
) -> Results:  # fmt: skip
    """Choose settings on validation, learn from the training ratings, measure on the test ratings.

    All rows learn from the same ratings, are clipped to their scale, and are asked about the same pairs.

    Raises:
        ConfigError: an unknown row or split. DataError: no ratings, or too few for the split.
    """
    wanted = list(rows or ROWS)
    if unknown := [r for r in wanted if r not in ROWS]:
        raise ConfigError(f"no row {', '.join(unknown)}: choose among {', '.join(ROWS)}")
    folds = split_ratings(Ratings.of(data), split_name, seed)
    found = tuned(folds, data.items, wanted, FitOptions(seed=seed), progress)
    progress("measuring on test")
    foretold = {row: predictions(row, folds, found, folds.test.asked) for row in wanted}
    validated = {row: rmse(predictions(row, folds, found, folds.valid.asked), folds.valid) for row in wanted}
    squared = {row: (p - folds.test.values) ** 2 for row, p in foretold.items()}
    versus = against_all(squared, [b for b in BASELINES if b in wanted], seed)
    made = [_row(row, squared[row], foretold[row], folds.test, versus[row], seed) for row in wanted]
    best = min(validated, key=lambda row: validated[row])
    return Results.of(
        data=data.name, split=split_name, users=len(folds.test), items=len(data.items), seed=seed,
        metric=MAIN, settings_hash=settings_hash(found.settings), best_by_validation=best, rows=made,
        protocol=_protocol(folds, data), settings=found.settings, validation_rmse=validated, notes=NOTES,
    )  # fmt: skip


NOTES = (
    "RMSE and MAE over all test ratings; lower is better. Predictions of every row are clipped to the scale.",
    "Settings of biases, mf and regressor were chosen by RMSE on the validation ratings, which nothing is fitted on.",
    "mf is our own biased matrix factorisation by alternating least squares; the regressor's features hold it, "
    "cross-fitted, with the same settings.",
)


def predictions(row: str, folds: RatingSplit, found: Tuned, asked: Asked) -> Floats:
    """Return (m,) what a row foretells, clipped to the scale of the training ratings."""
    train = folds.train
    mean = float(train.values.mean())
    if row == "global-mean":
        out = np.full(len(asked), mean)
    elif row == "user-mean":
        out = mean + damped_means(train.values - mean, train.users, train.n_users, 0.0)[asked.users]
    elif row == "item-mean":
        out = mean + damped_means(train.values - mean, train.items, train.n_items, 0.0)[asked.items]
    else:
        out = found.models[row].predict(train, asked)
    clipped: Floats = np.clip(out, *train.scale)
    return clipped


def rmse(foretold: Floats, given: Ratings) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((foretold - given.values) ** 2)))


def against_all(squared: Mapping[str, Floats], baselines: Sequence[str], seed: int) -> dict[str, dict[str, Comparison]]:
    """Return row -> baseline -> comparison of their (m,) squared errors; each baseline is one family for Holm.

    The difference and its interval are those of RMSE, negative where the row is better; the test, d_z and the counts
    are of squared errors, a win being the smaller.
    """
    out: dict[str, dict[str, Comparison]] = {row: {} for row in squared}
    for base in baselines:
        others = {row: v for row, v in squared.items() if row != base}
        p = {row: paired_randomisation(v, squared[base], seed=seed) for row, v in others.items()}
        for row, corrected in holm(p).items():
            out[row][base] = Comparison(p[row], corrected, effect_on_rmse(squared[row], squared[base], seed))
    return out


def effect_on_rmse(system: Floats, baseline: Floats, seed: int = 0) -> Effect:
    """Return the size of the difference in RMSE, from (m,) squared errors of the same ratings; see `against_all`."""
    rng, n = np.random.default_rng(seed), len(system)
    drawn = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        pick = rng.integers(0, n, n)
        drawn[i] = np.sqrt(system[pick].mean()) - np.sqrt(baseline[pick].mean())
    mine, theirs = np.sqrt(system.mean()), np.sqrt(baseline.mean())
    d = system - baseline
    spread = float(d.std(ddof=1)) if n > 1 else 0.0
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Effect(
        difference=float(mine - theirs), ci95=(float(low), float(high)),
        relative=float(mine / theirs - 1) if theirs else None, d_z=float(d.mean()) / spread if spread else None,
        wins=int((d < 0).sum()), ties=int((d == 0).sum()), losses=int((d > 0).sum()),
    )  # fmt: skip


def _row(
    name: str, squared: Floats, foretold: Floats, test: Ratings, versus: Mapping[str, Comparison], seed: int
) -> Row:  # fmt: skip
    row = Row.of(name, {"mae": np.abs(foretold - test.values).astype(np.float32)}, versus=versus, seed=seed)
    low, high = bootstrap_ci(squared, resamples=RESAMPLES, seed=seed)
    values = {MAIN: float(np.sqrt(squared.mean())), **row.metrics}
    return Row.model_validate(
        {**row.model_dump(), "metrics": values, "ci95": {MAIN: (np.sqrt(low), np.sqrt(high)), **row.ci95}}
    )


def _protocol(folds: RatingSplit, data: Dataset) -> dict[str, str | float | bool]:
    low, high = folds.train.scale
    return {
        "task": "rating", "ratings": sum(len(f) for f in (folds.train, folds.valid, folds.test)),
        "training_ratings": len(folds.train), "validation_ratings": len(folds.valid), "test_ratings": len(folds.test),
        "raters": data.log.n_users, "scale": f"{low:g} to {high:g}",
    }  # fmt: skip
