from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.artifacts import read_json
from recsys.dataset import Dataset, ItemTable
from recsys.protocols import Deps, FitOptions
from recsys.rank.features.builder import MISSING, FeatureBuilder
from recsys.rank.features.facts import Facts
from recsys.rank.features.query import Queries, numeric_attributes, plain, with_features
from recsys.rank.lightgbm import LightGBMRanker
from recsys.search.generator import TextSearch
from recsys.types import Item, Request, Slates

TABLE = ItemTable.of(
    [
        Item(item_id="a", title="Red Kettle", attributes={"votes": 10.0, "year": 1999, "rare": 1.0, "cordless": True}),
        Item(item_id="b", title="Blue kettle 2", attributes={"votes": 30.0, "year": 2004}),
        Item(item_id="c", title="Teapot", attributes={"votes": 20.0}),
        *[Item(item_id=f"x{i}", title=f"Thing {i}", attributes={"votes": 1.0, "year": 1900 + i}) for i in range(7)],
    ]
)
FACTS = Facts(TABLE, np.zeros(len(TABLE), dtype=np.float32))


def slates_of(lists: list[list[int]], **columns: Any) -> Slates:
    given = Slates.of(lists)
    base = {
        "text_score": given.scores.copy(), "text_rank": given.scores.copy(), "fused_score": given.scores.copy(),
        "found": np.ones(len(given.items), np.uint64),
    }  # fmt: skip
    extra = {name: np.asarray(values, dtype=np.float32) for name, values in columns.items()}
    return Slates(given.items, given.scores, given.offsets, {**base, **extra})


def table_of(family: Queries, requests: list[Request], slates: Slates) -> dict[str, list[float]]:
    found = [np.asarray(v, dtype=float).round(4).tolist() for v in family.compute(requests, slates, FACTS)]
    return dict(zip(family.names, found, strict=True))


def test_the_family_is_made_of_what_is_there() -> None:
    slates = slates_of([[0, 1], [2]], text_title=[1, 2, 3], text_words=[4, 4, 5])
    found = Queries.of([Request(text="kettle"), Request(text="tea pot")], slates, FACTS)
    assert found is not None
    assert found.columns == ("text_title", "text_words")
    assert found.varying == ("text_title",)  # within a request: what is the same for all its items ranks none
    assert found.numbers == ("votes", "year")  # "rare" is stated by one item in ten, "cordless" is no number
    assert Queries(**found.state()).names == found.names
    assert len(set(found.names)) == len(found.names)


def test_recommendations_have_no_such_family() -> None:
    slates = slates_of([[0, 1]], text_title=[1, 2])
    assert Queries.of([Request()], slates, FACTS) is None
    builder = FeatureBuilder(["text"])
    assert not any(name.startswith(("title", "query", "number")) for name in builder.names)


def test_values() -> None:
    slates = slates_of([[0, 1, 2]], text_title=[2, 4, np.nan])
    family = Queries(["text_title"], ["text_title"], ["votes", "year"])
    found = table_of(family, [Request(text="KETTLE, 2 of 1999")], slates)
    assert found["text_title_share"][:2] == [0.5, 1.0]
    assert np.isnan(found["text_title_share"][2])
    assert found["number:votes"] == [10, 30, 20]
    assert found["place:votes"] == pytest.approx([np.log(3), 0, np.log(2)], abs=1e-4)
    assert found["number:year"][:2] == [1999, 2004]
    assert np.isnan(found["place:year"][2])
    assert found["named:year"] == [1, 0, 0]
    assert (found["query_words"][0], found["query_chars"][0], found["query_numbers"][0]) == (4, 16, 2)
    assert found["title_chars"] == [10, 13, 6]


def test_a_typo_hardly_changes_the_letters() -> None:
    slates = slates_of([[0, 1, 2]])
    family = Queries([], [], [])
    right = table_of(family, [Request(text="red kettle")], slates)
    wrong = table_of(family, [Request(text="red ketle")], slates)
    assert right["title_ratio"][0] == 1
    assert wrong["title_ratio"][0] > 0.9
    assert np.argmax(wrong["title_partial"]) == 0
    assert table_of(family, [Request(text="kettle red")], slates)["title_words_ratio"][0] == 1


def test_a_request_without_words_knows_nothing() -> None:
    family = Queries(["text_title"], ["text_title"], ["votes"])
    slates = slates_of([[0, 1], [0, 1]], text_title=[1, 2, 3, 4])
    found = table_of(family, [Request(text="kettle"), Request()], slates)
    for values in found.values():
        assert np.isfinite(values[:2]).all()
        assert np.isnan(values[2:]).all()


def test_columns_that_are_missing_are_unknown() -> None:
    found = table_of(Queries(["text_gone"], ["text_gone"], []), [Request(text="kettle")], slates_of([[0, 1]]))
    assert np.isnan(found["text_gone"]).all()
    assert np.isnan(found["text_gone_share"]).all()


def test_hostile_titles_cost_no_more() -> None:
    table = ItemTable.of([Item(item_id="a", title="\u202e<b>" + "x" * 1_000_000), Item(item_id="b", title="")])
    facts = Facts(table, np.zeros(2, np.float32))
    matrix = FeatureBuilder(["text"], Queries([], [], [])).compute(
        [Request(text="\u202e" * 9)], slates_of([[0, 1]]), facts
    )
    assert np.isfinite(matrix).all()
    assert len(plain("ﬁ" * 500, 200)) <= 200


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=5, unique=True), min_size=1, max_size=4),
    st.lists(st.one_of(st.none(), st.text(max_size=12)), min_size=4, max_size=4),
)
def test_single_equals_batch(lists: list[list[int]], texts: list[str | None]) -> None:
    slates = slates_of(lists, text_title=np.arange(sum(map(len, lists))))
    requests = [Request(text=t) for t in texts[: len(lists)]]
    builder = FeatureBuilder(["text"], Queries(["text_title"], ["text_title"], ["votes", "year"]))
    whole = builder.compute(requests, slates, FACTS)
    assert np.isfinite(whole).all()
    parts = [builder.compute([r], slates[i], FACTS) for i, r in enumerate(requests)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_numeric_attributes_need_a_fifth_of_the_items() -> None:
    assert numeric_attributes(FACTS) == ["votes", "year"]
    assert numeric_attributes(Facts(ItemTable.of([]), np.empty(0, np.float32))) == []


class Told:
    """A generator that says one thing of every item."""

    def features(self, requests: list[Request], slates: Slates) -> dict[str, np.ndarray]:
        return {"told": slates.items.astype(np.float32), "text_score": np.zeros(len(slates.items), np.float32)}


def test_generators_describe_what_is_asked_for() -> None:
    slates = slates_of([[3, 4]])
    found = with_features([Request(text="x")], slates, {"text": Told(), "other": object()})
    assert found.columns["told"].tolist() == [3, 4]
    assert found.columns["text_score"] is slates.columns["text_score"]  # what is there stays
    assert with_features([Request()], slates, {"text": Told()}) is slates


def shop() -> tuple[Dataset, list[Request], Slates, np.ndarray]:
    """Forty products of ten kinds in four colours, and the queries "colour kind": one product answers each."""
    colours, kinds = (
        ("red", "blue", "green", "white"),
        ("kettle", "teapot", "lamp", "chair", "desk", "sofa", "rug", "vase", "bowl", "fork"),
    )
    items = [Item(item_id=f"{c}{k}", title=f"{c} {k}", text=f"a {k} to love") for c in colours for k in kinds]
    data = Dataset.of(items, [])
    requests = [Request(text=f"{c} {k}") for c in colours for k in kinds]
    text = TextSearch().fit(data, FitOptions())
    slates = Slates.of([np.random.default_rng(i).permutation(40)[:20].tolist() for i in range(40)])
    lists = [np.union1d(slates[i].items, [i]) for i in range(40)]
    slates = Slates.of([part.tolist() for part in lists], [np.zeros(len(part)) for part in lists])
    scores = text.score(requests, slates).scores
    columns = {
        "text_score": scores.copy(), "text_rank": np.ones(len(scores), np.float32),
        "fused_score": np.zeros(len(scores), np.float32), "found": np.ones(len(scores), np.uint64),
    }  # fmt: skip
    slates = with_features(requests, Slates(slates.items, slates.scores, slates.offsets, columns), {"text": text})
    labels = (slates.items == slates.request_index).astype(np.float32)
    return data, requests, slates, labels


def test_a_ranker_learns_to_search_and_is_saved_whole(tmp_path: Any) -> None:
    data, requests, slates, labels = shop()
    deps = Deps(items=data.items, popularity=np.zeros(40, np.float32))
    options = {"max_rounds": 30, "patience": 5, "min_data_in_leaf": 5, "num_leaves": 7, "prior": 0.0}
    made = LightGBMRanker.from_config(LightGBMRanker.Config(**options), deps)
    ranker = made.fit(requests, slates, labels, FitOptions(threads=1))
    best = ranker.rank(requests, slates, 1)
    assert (best.items == np.arange(40)).mean() > 0.9
    ranker.save(tmp_path)
    again = LightGBMRanker.load(tmp_path, deps)
    assert np.array_equal(again.rank(requests, slates, 5).items, ranker.rank(requests, slates, 5).items)
    assert "text_coverage" in read_json(tmp_path / "ranker.json")["queries"]["columns"]
    assert np.allclose(ranker.native_scores(requests, slates), again.native_scores(requests, slates))


def test_a_ranker_saved_before_there_was_a_search_loads(tmp_path: Any) -> None:
    from recsys.artifacts import write_json

    data, _, slates, labels = shop()
    deps = Deps(items=data.items, popularity=np.zeros(40, np.float32))
    silent = [Request()] * 40
    ranker = LightGBMRanker.from_config(LightGBMRanker.Config(max_rounds=5, min_data_in_leaf=5), deps)
    ranker.fit(silent, slates, labels, FitOptions(threads=1)).save(tmp_path)
    saved = read_json(tmp_path / "ranker.json")
    assert saved.pop("queries") is None
    write_json(tmp_path / "ranker.json", saved)
    again = LightGBMRanker.load(tmp_path, deps)
    assert again.builder is not None
    assert again.builder.queries is None
    assert MISSING not in again.rank(silent, slates, 3).scores
