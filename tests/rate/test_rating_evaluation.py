"""Ratings foretold and measured: folds, figures, comparisons, reports, the verb."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rating_toys import rated_world
from typer.testing import CliRunner

from recsys.cli.app import app
from recsys.errors import ConfigError, DataError
from recsys.eval.rating import ROWS, against_all, effect_on_rmse, evaluate_rating
from recsys.eval.rating_split import SPLITS, split_ratings
from recsys.eval.report import to_markdown
from recsys.eval.results import Results
from recsys.eval.tables import accuracy, significance
from recsys.rate.ratings import Ratings


@pytest.fixture(scope="module")
def data():
    return rated_world()


@pytest.fixture(scope="module")
def results(data) -> Results:
    return evaluate_rating(data, seed=1)


@pytest.mark.parametrize("name", SPLITS)
def test_every_rating_is_in_one_fold(data, name):
    ratings = Ratings.of(data)
    folds = split_ratings(ratings, name, seed=4)
    keys = [set(zip(f.users.tolist(), f.items.tolist(), strict=True)) for f in (folds.train, folds.valid, folds.test)]
    assert sum(map(len, keys)) == len(set.union(*keys)) == len(ratings)
    if name == "random":
        assert [len(k) for k in keys] == [768, 96, 96]
        assert folds.test.values.min() == 1, "low ratings count, too"
    if name == "global-time":
        assert folds.train.times.max() < folds.valid.times.min()
        assert folds.valid.times.max() < folds.test.times.min()
    if name == "leave-one-out":
        assert np.bincount(folds.test.users).tolist() == [1] * 60
        for user in range(60):
            own = [f.times[f.users == user] for f in (folds.train, folds.valid, folds.test)]
            assert own[0].max() <= own[1].min() <= own[2].min()


def test_folds_that_cannot_be_are_refused(data):
    ratings = Ratings.of(data)
    with pytest.raises(ConfigError, match="random, global-time"):
        split_ratings(ratings, "by-moon")
    with pytest.raises(DataError, match="too few"):
        split_ratings(ratings.take(np.arange(2)), "leave-one-out")


def test_figures_are_those_of_the_test_ratings(data, results):
    folds = split_ratings(Ratings.of(data), "random", 1)
    off = folds.test.values - folds.train.values.mean()
    row = results.row("global-mean")
    assert row.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-5)
    assert row.metrics["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-5)
    assert [r.name for r in results.rows] == list(ROWS)
    for r in results.rows:
        low, high = r.ci95["rmse"]
        assert low < r.metrics["rmse"] < high


def test_the_regressor_is_chosen_and_beats_factorisation(results):
    assert results.best_by_validation == "regressor"
    row = results.row("regressor")
    assert row.metrics["rmse"] < results.row("mf").metrics["rmse"] < results.row("global-mean").metrics["rmse"]
    effect = row.effect["mf"]
    assert effect.difference == pytest.approx(row.metrics["rmse"] - results.row("mf").metrics["rmse"], abs=1e-5)
    assert effect.wins + effect.ties + effect.losses == results.users


def test_a_difference_in_rmse_is_negative_where_it_is_better():
    rng = np.random.default_rng(0)
    worse = rng.exponential(1.0, 300)
    better = worse * 0.81
    found = effect_on_rmse(better, worse)
    assert found.relative == pytest.approx(-0.1)
    assert found.ci95[0] < found.difference < found.ci95[1] < 0
    assert (found.wins, found.losses) == (300, 0)
    compared = against_all({"a": better, "b": worse, "c": worse}, ["b"], 0)
    assert set(compared) == {"a", "b", "c"}
    assert compared["b"] == {}
    assert compared["a"]["b"].p_holm < 0.001
    assert compared["c"]["b"].p == 1.0


def test_tables_know_that_lower_is_better(results):
    best = min(results.rows, key=lambda row: row.metrics["rmse"]).name
    table = accuracy(results)
    assert [line[0].text for line in table.lines if line[1].best] == [best]
    assert "▼" in significance(results, results.row("global-mean"))
    text = to_markdown(results)
    assert "lower is better" in text
    assert "RMSE" in text
    assert "whole catalogue" not in text
    assert Results.from_dict(json.loads(results.to_json())) == results


def test_rows_that_are_not_asked_for_are_not_made(data):
    found = evaluate_rating(data, "leave-one-out", rows=["user-mean", "item-mean"])
    assert [row.name for row in found.rows] == ["user-mean", "item-mean"]
    with pytest.raises(ConfigError, match="no row svd"):
        evaluate_rating(data, rows=["svd"])


def test_the_verb(tmp_path):
    lines = ["user,item,time,kind,value"]
    rng = np.random.default_rng(0)
    for n in range(200):
        lines.append(f"u{n % 20},i{n % 17},{1_700_000_000 + 90_000 * n},rating,{rng.integers(1, 6)}")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    words = ["rate", "--data", f"csv:{tmp_path / 'ratings.csv'}", "--rows", "global-mean,biases"]
    shown = CliRunner().invoke(app, [*words, "--markdown", str(tmp_path / "out.md")])
    assert shown.exit_code == 0, shown.output
    assert "Rating errors" in shown.stdout
    assert "| biases" in (tmp_path / "out.md").read_text()
    value = json.loads(CliRunner().invoke(app, [*words, "--split", "global-time", "--json"]).stdout)
    assert value["metric"] == "rmse"
    assert value["split"] == "global-time"
    refused = CliRunner().invoke(app, [*words, "--markdown", str(tmp_path / "no" / "out.md")])
    assert refused.exit_code != 0
