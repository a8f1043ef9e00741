from __future__ import annotations

import numpy as np
import pytest

from recsys.artifacts import read_json, write_json
from recsys.dataset import ItemTable
from recsys.errors import ArtifactMissing, DataError, NotFittedError, ShapeMismatch
from recsys.protocols import Delta, Deps, FitOptions
from recsys.rank.identity import Identity
from recsys.rank.lightgbm import POSITION, PRIOR, LightGBMRanker
from recsys.rank.shuffle import Shuffle
from recsys.types import NO_ROWS, Events, Item, Request, Slates

WIDTH, ITEMS = 10, 200
TABLE = ItemTable.of([Item(item_id=str(i)) for i in range(ITEMS)])
DEPS = Deps(items=TABLE, popularity=np.zeros(ITEMS, dtype=np.float32))
QUICK = {"max_rounds": 60, "patience": 10, "min_data_in_leaf": 20, "num_leaves": 7, "folds": 3, "lambda_l2": 1.0}


def ranker(**options) -> LightGBMRanker:
    return LightGBMRanker.from_config(LightGBMRanker.Config(**{**QUICK, **options}), DEPS)


def world(n: int, seed: int, noise: float = 0.3) -> tuple[list[Request], Slates, np.ndarray, np.ndarray]:
    """n requests of WIDTH items: their slates, true relevance in 0..1, and the place at which the old shop showed them.

    Relevance follows the score "taste". The old shop sorted by "sales", which has nothing to do with it.
    """
    rng = np.random.default_rng(seed)
    given = Slates.of([rng.permutation(ITEMS)[:WIDTH] for _ in range(n)])
    m = len(given.items)
    taste, sales = rng.random(m).astype(np.float32), rng.random(m).astype(np.float32)
    keys = (sales + noise * rng.random(m)).reshape(n, WIDTH)
    shown = (np.argsort(np.argsort(-keys, axis=1), axis=1) + 1).reshape(-1)
    columns = {
        "taste_score": taste, "taste_rank": _ranks(taste), "sales_score": sales, "sales_rank": _ranks(sales),
        "fused_score": np.zeros(m, np.float32), "found": np.ones(m, np.uint64),
    }  # fmt: skip
    return [Request()] * n, Slates(given.items, columns["fused_score"], given.offsets, columns), taste, shown


def _ranks(scores: np.ndarray) -> np.ndarray:
    square = -scores.reshape(-1, WIDTH)
    return (np.argsort(np.argsort(square, axis=1), axis=1) + 1).reshape(-1).astype(np.float32)


def with_column(slates: Slates, name: str, values: np.ndarray) -> Slates:
    return Slates(slates.items, slates.scores, slates.offsets, {**slates.columns, name: values}, slates.notes)


def clicks(relevance: np.ndarray, shown: np.ndarray | None, seed: int) -> np.ndarray:
    """1 where an item was looked at (always, or with probability 1 / place) and liked."""
    rng = np.random.default_rng(seed)
    examined = 1.0 if shown is None else rng.random(len(relevance)) < 1.0 / shown
    return ((rng.random(len(relevance)) < relevance**2) * examined).astype(np.float32)


def likeness(ranked: Slates, slates: Slates, relevance: np.ndarray) -> float:
    """Mean rank correlation of the lists' order with true relevance."""
    truth = dict(zip(zip(slates.request_index.tolist(), slates.items.tolist(), strict=True), relevance, strict=True))
    mine = np.array([truth[k] for k in zip(ranked.request_index.tolist(), ranked.items.tolist(), strict=True)])
    places = np.argsort(np.argsort(-mine.reshape(-1, WIDTH), axis=1), axis=1)
    return float(np.mean([np.corrcoef(p, np.arange(WIDTH))[0, 1] for p in places]))


@pytest.fixture(scope="module")
def learned() -> LightGBMRanker:
    requests, slates, relevance, _ = world(300, seed=1)
    return ranker(prior=0.0).fit(requests, slates, clicks(relevance, None, 2), FitOptions(seed=3))


def test_it_learns_what_is_relevant_and_the_controls_do_not(learned):
    requests, slates, relevance, _ = world(200, seed=4)
    assert likeness(learned.rank(requests, slates, WIDTH), slates, relevance) > 0.9
    for control in (Identity(), Shuffle()):
        assert abs(likeness(control.rank(requests, slates, WIDTH), slates, relevance)) < 0.1
    share = learned.importance()
    assert sum(share.values()) == pytest.approx(1)
    assert sum(v for name, v in share.items() if name.startswith("taste_")) > 0.8


def test_logged_positions_take_the_bias_out():
    requests, slates, relevance, shown = world(900, seed=11)
    labels = clicks(relevance, shown, 12)
    fresh, asked, truth, _ = world(300, seed=13)
    options = FitOptions(seed=5)
    naive = ranker(prior=0.0).fit(requests, slates, labels, options)
    aware = ranker(prior=0.0).fit(requests, with_column(slates, POSITION, shown.astype(np.int32)), labels, options)
    reached = {
        name: likeness(one.rank(fresh, asked, WIDTH), asked, truth)
        for name, one in {"naive": naive, "aware": aware, "identity": Identity(), "shuffle": Shuffle()}.items()
    }
    assert reached["aware"] > reached["naive"] + 0.05, reached
    assert reached["naive"] > 0.2, reached
    assert max(abs(reached["identity"]), abs(reached["shuffle"])) < 0.1, reached
    # What the old shop sorted by is hardly a reason any more.
    sales = {n: sum(v for k, v in one.importance().items() if k.startswith("sales")) for n, one in
             (("naive", naive), ("aware", aware))}  # fmt: skip
    assert sales["aware"] < sales["naive"], sales
    assert aware.figures["share_with_position"] == 1.0
    assert "share_with_position" not in naive.figures
    # At serving time a position, even if it is there, has no say.
    plain = aware.rank(fresh, asked, WIDTH)
    posed = aware.rank(fresh, with_column(asked, POSITION, np.arange(len(asked.items), dtype=np.int32)), WIDTH)
    assert np.array_equal(plain.items, posed.items)


@pytest.mark.parametrize("seed", range(4))
def test_onnx_scores_are_the_native_ones(learned, seed):
    requests, slates, _, _ = world(40, seed=20 + seed)
    rng = np.random.default_rng(seed)
    spoiled = slates.columns["taste_score"].copy()
    spoiled[rng.random(len(spoiled)) < 0.2] = np.nan
    slates = with_column(slates, "taste_score", spoiled)
    native = learned.native_scores(requests, slates)
    got = learned.rank(requests, slates, WIDTH)
    by_place = dict(zip(_keys(slates), native.tolist(), strict=True))
    assert got.columns["ranker_score"].tolist() == pytest.approx([by_place[k] for k in _keys(got)], abs=1e-5)
    assert np.ptp(native) > 0.1


def _keys(slates: Slates) -> list[tuple[int, int]]:
    return list(zip(slates.request_index.tolist(), slates.items.tolist(), strict=True))


def test_figures_of_the_cross_fit(learned):
    figures = learned.figures
    assert 290 <= figures["requests"] <= 300  # all but those whose shopper clicked on nothing
    assert 1 <= figures["rounds"] <= 60
    assert 0.5 < figures["cross_fitted_ndcg@10"] < 1


def test_requests_that_teach_nothing_are_left_out():
    requests, slates, relevance, _ = world(40, seed=1)
    labels = clicks(relevance, None, 2)
    labels[:WIDTH], labels[WIDTH : 2 * WIDTH] = 0, 1
    useful = sum(0 < labels[i : i + WIDTH].sum() < WIDTH for i in range(0, len(labels), WIDTH))
    assert ranker().fit(requests, slates, labels, FitOptions()).figures["requests"] == useful <= 38
    for wrong in (np.zeros_like(labels), np.ones_like(labels)):
        with pytest.raises(DataError, match=r"at least 3 requests .* got 0: give more events"):
            ranker().fit(requests, slates, wrong, FitOptions())


def test_little_data_gives_a_model_all_the_same():
    requests, slates, relevance, _ = world(4, seed=1)
    little = ranker(min_data_in_leaf=100, folds=2, prior=1.0)  # no split is possible
    little.fit(requests, slates, clicks(relevance, None, 2), FitOptions())
    got = little.rank(requests, slates, WIDTH)
    assert got.lengths.tolist() == [WIDTH] * 4
    assert np.allclose(got.columns["ranker_score"], got.columns["ranker_score"][0])


def test_prior_pulls_towards_the_fused_score(learned, tmp_path):
    requests, slates, _, _ = world(30, seed=9)
    slates = with_column(slates, "fused_score", np.random.default_rng(0).random(len(slates.items)).astype(np.float32))
    learned.save(tmp_path)
    saved = read_json(tmp_path / "ranker.json")
    order = {}
    for prior in (0.0, 1.0, 1000.0):
        write_json(tmp_path / "ranker.json", {**saved, "config": {**saved["config"], "prior": prior}})
        one = LightGBMRanker.load(tmp_path, Deps(items=TABLE))
        got = one.rank(requests, slates, WIDTH)
        expected = got.columns["ranker_score"] + np.float32(prior) * got.columns["fused_score"]
        assert got.scores.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
        order[prior] = got.items
    by_fused = slates.ordered(slates.columns["fused_score"]).items
    assert np.array_equal(order[1000.0], by_fused)
    agreement = {prior: (items == by_fused).mean() for prior, items in order.items()}
    assert agreement[0.0] < agreement[1.0] < 1


def test_the_incoming_score_is_kept(learned):
    requests, slates, _, _ = world(5, seed=9)
    scores = np.arange(len(slates.items), dtype=np.float32)
    given = Slates(slates.items, scores, slates.offsets, slates.columns)
    got = learned.rank(requests, given, 3)
    assert got.lengths.tolist() == [3] * 5
    before = dict(zip(_keys(given), scores.tolist(), strict=True))
    assert got.columns["prior_score"].tolist() == [before[k] for k in _keys(got)]


def test_saved_and_loaded(learned, tmp_path):
    learned.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.txt", "popularity.npy", "ranker.json"]
    loaded = LightGBMRanker.load(tmp_path, Deps(items=TABLE))
    requests, slates, _, _ = world(20, seed=30)
    assert np.array_equal(loaded.rank(requests, slates, 5).items, learned.rank(requests, slates, 5).items)
    assert loaded.native_scores(requests, slates).tolist() == learned.native_scores(requests, slates).tolist()
    assert loaded.figures == learned.figures
    assert loaded.config == learned.config
    for name in ("model.onnx", "model.txt"):
        (tmp_path / name).rename(tmp_path / "away")
        with pytest.raises(ArtifactMissing, match=name):
            LightGBMRanker.load(tmp_path, Deps(items=TABLE))
        (tmp_path / "away").rename(tmp_path / name)


def test_other_features_than_this_version_computes(learned, tmp_path):
    learned.save(tmp_path)
    saved = read_json(tmp_path / "ranker.json")
    write_json(tmp_path / "ranker.json", {**saved, "features": [*saved["features"], "phase_of_the_moon"]})
    with pytest.raises(ShapeMismatch, match="other features: fit again"):
        LightGBMRanker.load(tmp_path, Deps(items=TABLE))


def test_unfitted(tmp_path):
    requests, slates, _, _ = world(2, seed=0)
    one = ranker()
    for call in (
        lambda: one.rank(requests, slates, 5), lambda: one.native_scores(requests, slates), one.importance,
        lambda: one.save(tmp_path),
    ):  # fmt: skip
        with pytest.raises(NotFittedError, match="LightGBMRanker is not fitted"):
            call()


def test_another_snapshot_and_live_events_change_the_facts_alone(learned):
    counts = np.arange(ITEMS, dtype=np.float32)
    final = learned.on_snapshot(Deps(items=TABLE, popularity=counts))
    assert final.facts.popularity.tolist() == counts.tolist()
    assert learned.facts.popularity.sum() == 0
    grown = TABLE.put([Item(item_id="new")])
    events = Events.of([0, 0, ITEMS, 1], weights=[1, 0.3, 1, -1])
    live = final.apply(Delta(items=grown, changed=NO_ROWS, events=events))
    assert live.facts.popularity[[0, 1, 2, ITEMS]].tolist() == [2, 1, 2, 1]
    assert len(live.facts.items) == ITEMS + 1
    requests, slates, _, _ = world(5, seed=30)
    assert live.rank(requests, slates, 5).lengths.tolist() == [5] * 5
    assert live.figures == learned.figures


def test_contributions_add_up_to_the_scores_of_lightgbm_and_of_onnx(learned):
    requests, slates, _, _ = world(20, seed=31)
    ranked = learned.rank(requests, slates, WIDTH)
    by_place = dict(zip(_keys(ranked), ranked.columns["ranker_score"].tolist(), strict=True))
    onnx = np.array([by_place[k] for k in _keys(slates)])
    wanted = np.arange(len(slates.items)) % 3 == 0
    said = learned.feature_contributions(requests, slates, wanted)
    trees = said.expected + said.amounts[:, :-1].sum(axis=1)
    assert trees == pytest.approx(learned.native_scores(requests, slates)[wanted], abs=1e-5)
    assert trees == pytest.approx(onnx[wanted], abs=1e-4)
    # What the list is sorted by has the fused score in it, too.
    prior = ranker(prior=2.0).fit(requests, slates, (onnx > 0).astype(np.float32), FitOptions(seed=3))
    fused = with_column(slates, "fused_score", np.linspace(0, 1, len(slates.items), dtype=np.float32))
    got = prior.rank(requests, fused, WIDTH)
    made = prior.feature_contributions(requests, fused, np.ones(len(fused.items), dtype=np.bool_))
    assert made.names[-1] == PRIOR
    scores = dict(zip(_keys(got), got.scores.tolist(), strict=True))
    assert made.expected + made.amounts.sum(axis=1) == pytest.approx([scores[k] for k in _keys(fused)], abs=1e-4)
    assert len(made.labels) == len(set(made.labels)) == len(made.names) == made.values.shape[1]


def test_no_contributions_of_no_entries(learned):
    requests, slates, _, _ = world(2, seed=32)
    said = learned.feature_contributions(requests, slates, np.zeros(len(slates.items), dtype=np.bool_))
    assert said.amounts.shape == (0, len(said.names))
