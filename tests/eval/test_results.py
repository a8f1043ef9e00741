import json

import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.eval.compare import compare
from recsys.eval.results import Results, Row, machine, settings_hash, versions

RNG = np.random.default_rng(0)
BASE = RNG.random(200).astype(np.float32)
BETTER = np.minimum(BASE + np.float32(0.1), 1)


def results(**changes):
    versus = compare({"cascade": BETTER, "popularity": BASE}, "popularity", flips=999)
    rows = (
        Row.of("popularity", {"ndcg@10": BASE}, fit_s=0.1, latency_ms={"p50": 1, "p95": 2}, peak_rss_mb=90.0),
        Row.of("cascade", {"ndcg@10": BETTER}, versus={"popularity": versus["cascade"]}, fit_s=1.5),
    )
    fields = {
        "data": "sample", "split": "leave-one-out", "users": 200, "items": 50, "seed": 0, "settings_hash": "ab",
        "best_by_validation": "cascade", "rows": rows,
    }  # fmt: skip
    return Results.of(**{**fields, **changes})


def test_the_keys_of_the_contract():
    plain = json.loads(results().to_json())
    assert list(plain) == [
        "data", "split", "users", "items", "seed", "settings_hash", "versions", "best_by_validation", "rows",
        "metric", "protocol", "machine", "notes",
    ]  # fmt: skip
    assert list(plain["rows"][1]) == [
        "name", "metrics", "ci95", "p_vs", "fit_s", "latency_ms", "peak_rss_mb", "size_mb", "effect", "ceiling",
        "beyond", "slices",
    ]  # fmt: skip
    assert list(plain["rows"][1]["effect"]["popularity"]) == [
        "difference", "ci95", "relative", "d_z", "wins", "ties", "losses",
    ]  # fmt: skip
    assert list(plain["versions"]) == ["python", "recsys", "numpy", "scipy", "implicit", "lightgbm", "onnxruntime"]
    assert list(plain["machine"]) == ["system", "arch", "cpus"]


def test_row_computes_means_intervals_and_takes_the_corrected_p():
    row = results().row("cascade")
    assert row.metrics["ndcg@10"] == pytest.approx(BETTER.mean(), rel=1e-5)
    low, high = row.ci95["ndcg@10"]
    assert low < row.metrics["ndcg@10"] < high
    assert row.p_vs == {"popularity": 0.001}
    assert row.effect["popularity"].wins == 200
    assert row.effect["popularity"].difference == pytest.approx(float(np.mean(BETTER - BASE)), rel=1e-4)


def test_round_trip_and_same_text_for_the_same_run():
    first = results()
    assert Results.from_dict(json.loads(first.to_json())) == first
    assert first.to_json() == results().to_json()


def test_numbers_have_six_digits_and_numpy_goes_in():
    row = Row(name="a", metrics={"hr@10": np.float32(1 / 3)}, fit_s=np.float64(1234567.8), peak_rss_mb=np.int64(5))
    assert (row.metrics["hr@10"], row.fit_s, row.peak_rss_mb) == (0.333333, 1234570.0, 5.0)


def test_best_and_baselines():
    found = results()
    assert found.best.name == "cascade"
    assert found.baselines == ("popularity",)
    assert results(best_by_validation=None).best is None
    with pytest.raises(ConfigError, match="no row 'x': choose one of popularity, cascade"):
        found.row("x")


def test_added_keys_travel():
    found = results(regime="base")
    assert json.loads(found.to_json())["regime"] == "base"
    with pytest.raises(DataError, match="cannot be written as JSON"):
        results(extra=float("nan")).to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": "many"}, "results.users"),
        ({"rows": [{"name": "a", "metrics": {"hr@10": float("nan")}}]}, r"results\.rows\.0\.metrics\.hr@10"),
        ({"rows": [{"name": "a", "metrics": {}}, {"name": "a", "metrics": {}}]}, "two rows have one name"),
        ({"best_by_validation": "zzz"}, "'zzz' is no row"),
        ({"rows": [{"metrics": {}}]}, r"results\.rows\.0\.name"),
    ],
)
def test_bad_results_name_the_field(changes, message):
    with pytest.raises(DataError, match=message):
        results(**changes)


def test_bad_facts_of_a_row_name_it():
    with pytest.raises(DataError, match=r"rows\.als\.fit_s"):
        Row.of("als", {"ndcg@10": BASE}, fit_s="long")


def test_environment():
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["python"].startswith("3.")
    assert machine()["cpus"] >= 1


def test_settings_hash():
    assert settings_hash({"a": 1, "b": [2]}) == settings_hash({"b": [2], "a": 1})
    assert settings_hash({"a": 1}) != settings_hash({"a": 2})
    assert len(settings_hash({})) == 16
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises(ConfigError, match="plain JSON values"):
            settings_hash(bad)
