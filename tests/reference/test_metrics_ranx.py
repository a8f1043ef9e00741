"""Our metrics against ranx, an independent implementation, on random data without ties."""

import numpy as np
import pytest

from recsys.eval.metrics import per_request
from recsys.targets import Targets
from recsys.types import Slates

ranx = pytest.importorskip("ranx")

# A cast inside ranx's own compiled code, told once per compilation, in colours where numba finds them.
pytestmark = pytest.mark.filterwarnings("ignore:.*unsafe cast from uint64 to int64")

K = 7
NAMES = {
    f"hr@{K}": f"hit_rate@{K}", f"recall@{K}": f"recall@{K}", f"precision@{K}": f"precision@{K}",
    f"mrr@{K}": f"mrr@{K}", f"map@{K}": f"map@{K}", f"ndcg@{K}": f"ndcg@{K}",
}  # fmt: skip


def world(seed: int, graded: bool):
    rng = np.random.default_rng(seed)
    lists, scores, truth, gains = [], [], [], []
    for _ in range(120):
        items = rng.permutation(40)[: rng.integers(1, 25)]
        lists.append(items)
        scores.append(np.sort(rng.permutation(10_000)[: len(items)])[::-1] / 10_000)
        truth.append(rng.permutation(50)[: rng.integers(1, 9)])
        gains.append(rng.integers(1, 5, len(truth[-1])) if graded else np.ones(len(truth[-1]), int))
    run = {
        f"q{i}": {f"d{d}": float(s) for d, s in zip(items, values, strict=True)}
        for i, (items, values) in enumerate(zip(lists, scores, strict=True))
    }
    qrels = {
        f"q{i}": {f"d{d}": int(g) for d, g in zip(items, grades, strict=True)}
        for i, (items, grades) in enumerate(zip(truth, gains, strict=True))
    }
    return Slates.of(lists, scores), Targets.of(truth, gains), ranx.Qrels(qrels), ranx.Run(run)


def theirs(qrels, run, metric):
    ranx.evaluate(qrels, run, [metric], make_comparable=True)
    return np.array([run.scores[metric][f"q{i}"] for i in range(len(run.scores[metric]))])


@pytest.mark.parametrize("seed", [0, 1])
def test_every_metric_of_every_request_is_that_of_ranx(seed):
    ranked, targets, qrels, run = world(seed, graded=False)
    ours = per_request(ranked, targets, list(NAMES))
    for name, foreign in NAMES.items():
        assert ours[name] == pytest.approx(theirs(qrels, run, foreign), abs=1e-6), name
        assert 0 < ours[name].mean() < 1


@pytest.mark.parametrize(("gain", "foreign"), [("linear", f"ndcg@{K}"), ("exp", f"ndcg_burges@{K}")])
def test_graded_ndcg_is_that_of_ranx(gain, foreign):
    ranked, targets, qrels, run = world(2, graded=True)
    ours = per_request(ranked, targets, [f"ndcg@{K}"], gain=gain)[f"ndcg@{K}"]
    assert ours == pytest.approx(theirs(qrels, run, foreign), abs=1e-6)
