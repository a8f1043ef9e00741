from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from recsys.data.search.judgements import INFO_KEY, Judgements
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.eval.report import to_html, to_markdown
from recsys.eval.results import Results
from recsys.eval.search import evaluate_search, is_search
from recsys.eval.search_folds import folds_of
from recsys.eval.search_study import SearchStudy, stated_attributes
from recsys.targets import Targets
from recsys.types import Item

COLOURS = ("red", "blue", "green", "white", "black", "brown")
KINDS = ("kettle", "teapot", "lamp", "chair", "desk", "sofa", "carpet", "vase", "bowl", "fork")
SETTINGS = SearchStudy(
    finders={"text": {"use": "text"}, "bm25": {"use": "bm25"}, "dense": {"use": "dense", "embedder": "lsa"}},
    text_choices=[{"k1": 0.6}, {"k1": 1.2}],
    weight_choices=[0.0, 0.5],
    ranker={"use": "lightgbm", "max_rounds": 15, "patience": 5, "min_data_in_leaf": 5, "num_leaves": 7, "threads": 1},
    ranker_choices=[{"prior": 0.3}, {"prior": 1.0}],
)


@pytest.fixture(scope="module")
def shop() -> Dataset:
    """Sixty products whose text names other colours and kinds; each query names one of them, two more are judged."""
    rng = np.random.default_rng(0)
    items = [
        Item(
            item_id=f"{c}-{k}", title=f"{c} {k}", brand=str(rng.choice(["Oak", "Elm"])),
            text=f"goes with a {rng.choice(COLOURS)} {rng.choice(KINDS)} and {rng.choice(COLOURS)} {rng.choice(KINDS)}",
            attributes={"material": "wood", "sold": float(rng.integers(100))},
        )
        for c in COLOURS for k in KINDS
    ]  # fmt: skip
    queries = [(c, k) for c in COLOURS for k in KINDS][::2]
    data = Dataset.of(items, [], name="search:toy")
    judged = []
    for c, k in queries:
        near = [x for x in COLOURS if x != c][:2]
        judged += [(f"{c} {k}", f"{c}-{k}", 3), (f"{c} {k}", f"{near[0]}-{k}", 1), (f"{c} {k}", f"{near[1]}-{k}", 0)]
    judged.append(("nothing relevant", "red-lamp", 0))
    made = Judgements.of(judged, data.items.vocabulary)
    return Dataset(data.items, data.log, (), data.name, {INFO_KEY: made})


@pytest.fixture(scope="module")
def evaluation(shop: Dataset) -> Any:
    return evaluate_search(shop, SETTINGS)


def test_every_row_is_measured_on_the_same_queries(evaluation: Any) -> None:
    results = evaluation.results
    assert [r.name for r in results.rows] == ["rank-bm25", "bm25", "dense", "text", "hybrid", "hybrid+ranker"]
    assert results.users == 30
    for row in results.rows:
        assert list(row.metrics) == [
            "ndcg@10", "judged_ndcg@10", "mrr@10", "recall@100", "unjudged@10", "typo_ndcg@10",
        ]  # fmt: skip
        assert all(0 <= value <= 1 for value in row.metrics.values())
        low, high = row.ci95["ndcg@10"]
        assert low <= row.metrics["ndcg@10"] <= high
        assert list(row.p_vs) == [base for base in ("bm25", "text", "hybrid") if base != row.name]
        assert row.name == "rank-bm25" or row.latency_ms["p50"] > 0  # whose lists are computed by other code
        assert row.slices["typed right"]["requests"] == row.slices["one typo"]["requests"]
    assert {len(v) for values in evaluation.per_user.values() for v in values.values()} == {30}


def test_words_find_what_they_name_and_typos_cost_little(evaluation: Any) -> None:
    rows = {r.name: r for r in evaluation.results.rows}
    assert rows["text"].metrics["mrr@10"] > 0.95
    assert rows["hybrid+ranker"].metrics["ndcg@10"] > 0.8
    assert rows["hybrid+ranker"].typo_loss < 0.25 < rows["bm25"].typo_loss


def test_results_are_those_of_any_evaluation_and_name_nothing(evaluation: Any) -> None:
    results = evaluation.results
    text = results.to_json()
    assert Results.from_dict(json.loads(text)) == results
    assert "kettle" not in text
    assert "red" not in text.split()
    assert results.best_by_validation in [r.name for r in results.rows]
    assert results.protocol["queries"] == 31
    assert "30 of 31 queries" in results.notes[0]
    assert "hybrid+ranker" in to_markdown(results)
    assert "hybrid+ranker" in to_html(results)


def test_the_same_seed_gives_the_same_figures(shop: Dataset, evaluation: Any) -> None:
    again = evaluate_search(shop, SETTINGS, latency=False, typos=False)
    for row in again.results.rows:
        assert row.metrics["ndcg@10"] == evaluation.results.row(row.name).metrics["ndcg@10"]
        assert "typo_ndcg@10" not in row.metrics


def test_labels_of_a_fold_do_not_reach_its_lists(shop: Dataset) -> None:
    found = shop.info[INFO_KEY].take(np.arange(30))
    mine = folds_of(found, SETTINGS.folds, 0) == 0
    gains = np.array(found.targets.gains)
    swapped = mine[found.targets.owner]
    gains[swapped] = np.where(gains[swapped] == 1, 3, 1)
    other = Judgements(found.queries, Targets(found.targets.rows, found.targets.offsets, gains))
    choices: dict[str, Any] = {"text_choices": [{}], "ranker_choices": [{}]}
    figures = []
    for judgements in (found, other):
        data = Dataset(shop.items, shop.log, (), shop.name, {INFO_KEY: judgements})
        made = evaluate_search(data, SETTINGS.model_copy(update=choices), latency=False, typos=False)
        figures.append(made.per_user["hybrid+ranker"])
    # Who is judged has not changed, only how: the share of unjudged items tells one list from another.
    assert np.array_equal(figures[0]["unjudged@10"][mine], figures[1]["unjudged@10"][mine])
    assert not np.array_equal(figures[0]["ndcg@10"][mine], figures[1]["ndcg@10"][mine])


def test_many_queries_are_learned_from_with_bounds(shop: Dataset) -> None:
    """Settings under which the ranker learns next to nothing: they count exactly where there are many queries."""
    figures = []
    for limit in (30, 31):
        given = {"inner_queries": limit, "many": {"max_rounds": 1, "learning_rate": 1e-6}, "ranker_choices": [{}]}
        made = evaluate_search(shop, SETTINGS.model_copy(update=given), latency=False, typos=False)
        figures.append(made.results.protocol["validation_hybrid+ranker"])
    assert figures[0] != figures[1]


def test_too_few_queries_are_refused(shop: Dataset) -> None:
    few = shop.info[INFO_KEY].take(np.arange(6))
    with pytest.raises(DataError, match="6 queries have a relevant item: 5 folds need twice as many"):
        evaluate_search(Dataset(shop.items, shop.log, (), "", {INFO_KEY: few}), SETTINGS)
    with pytest.raises(DataError, match="no judged queries"):
        evaluate_search(Dataset(shop.items, shop.log, (), "x"), SETTINGS)


def test_what_is_a_search(shop: Dataset) -> None:
    assert is_search(shop)
    assert not is_search(Dataset.of([], []))


def test_attributes_that_many_items_state_are_fields(shop: Dataset) -> None:
    assert stated_attributes(shop.items) == ["material"]
    assert SETTINGS.text(shop.items, {"k1": 1.0}) == {"use": "text", "k1": 1.0, "extra": {"material": 0.7}}
    assert len(SearchStudy().weights()) == 25
