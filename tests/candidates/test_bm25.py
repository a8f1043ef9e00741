from pathlib import Path

import numpy as np
import pytest

from recsys.artifacts import write_json
from recsys.candidates.bm25 import BM25
from recsys.dataset import Dataset
from recsys.errors import ShapeMismatch
from recsys.protocols import Delta, Deps, FitOptions
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests
from recsys.types import Events, Item, Request, Slates

TITLES = ("red steel kettle", "blue steel kettle", "garden rake", "bamboo garden rake", "", "copper trowel kettle")


class TestBM25(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: BM25.from_config(BM25.Config(), Deps())


class TestBM25PlusOfBm25s(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: BM25(BM25.Config(backend="bm25s", method="bm25+"))


class TestBM25PlusOfRankBM25(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: BM25(BM25.Config(backend="rank-bm25", method="bm25+"))


class TestBM25OfTantivy(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: BM25(BM25.Config(backend="tantivy"))


def fitted(**options: object) -> BM25:
    return BM25(BM25.Config(fields="title", **options)).fit(
        Dataset.of([Item(item_id=str(i), title=t) for i, t in enumerate(TITLES)], []), FitOptions()
    )


@pytest.mark.parametrize("backend", ["eager", "bm25s", "tantivy"])
def test_text_finds_items_with_its_words(backend: str) -> None:
    model = fitted(backend=backend)
    got = model.generate([Request(text="blue Kettle"), Request(text="zebra"), Request(text="")], 10)
    assert got[0].items[0] == 1
    assert set(got[0].items.tolist()) == {0, 1, 5}
    assert got.lengths.tolist() == [3, 0, 0]


def test_text_stands_in_for_the_history() -> None:
    got = fitted().generate([Request(text="rake", history=Events.of([0]))], 10)
    assert set(got.items.tolist()) == {2, 3}
    assert not fitted().generate([Request(text="zebra", history=Events.of([0]))], 10).items.size


def test_history_query_is_the_decayed_sum_of_words() -> None:
    model = fitted(decay=0.5)
    weights = model.queries([Request(history=Events.of([1, 0, 2], weights=[1, 1, 0.3]))]).toarray()[0]
    names = model._fitted()[0].names
    want = {"red": 0.5, "steel": 0.75, "kettle": 0.75, "blue": 0.25, "garden": 0.3, "rake": 0.3}
    assert {names[c]: round(float(weights[c]), 4) for c in np.flatnonzero(weights)} == want


def test_dislikes_subtract_words_and_never_ask_for_them() -> None:
    model = fitted(decay=1.0)
    query = model.queries([Request(history=Events.of([0, 1], weights=[1, -1]))]).toarray()[0]
    names = model._fitted()[0].names
    assert {names[c] for c in np.flatnonzero(query)} == {"red"}
    assert (query >= 0).all()


def test_only_the_most_informative_words_of_a_history_ask() -> None:
    model = fitted(terms=1, decay=1.0)
    query = model.queries([Request(history=Events.of([0])), Request(history=Events.of([0, 1, 5]))]).toarray()
    names = model._fitted()[0].names
    assert [[names[c] for c in np.flatnonzero(row)] for row in query] == [["red"], ["kettle"]]


def test_scores_of_given_items() -> None:
    model = fitted()
    requests = [Request(text="kettle"), Request(text="zebra"), Request()]
    got = model.score(requests, Slates.of([[0, 2, 4, -1, 6], [0], [0]])).scores
    assert got[0] > 0
    assert got[1] == 0  # no common word
    assert np.isnan(got[2:]).all()  # no text; unknown rows; nothing asked


def test_fields_say_what_is_read() -> None:
    items = [Item(item_id="a", title="kettle", text="of steel"), Item(item_id="b", text="of steel")]
    found = {
        fields: BM25(BM25.Config(fields=fields)).fit(Dataset.of(items, []), FitOptions()).generate(
            [Request(text="steel")], 5
        ).items.tolist()
        for fields in ("all", "title")
    }  # fmt: skip
    assert sorted(found["all"]) == [0, 1]
    assert found["title"] == [1], "an item without a title is read whole"


def test_a_batch_of_thousands_equals_its_parts(small_shop: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from recsys.candidates import scoring

    model = BM25().fit(small_shop, FitOptions())
    rng = np.random.default_rng(0)
    requests = [Request(history=Events.of(rng.integers(0, 40, 6))) for _ in range(2000)]
    whole = model.generate(requests, 10)
    monkeypatch.setattr(scoring, "CHUNK_CELLS", 40 * 300)
    parts = model.generate(requests, 10)
    assert np.array_equal(whole.items, parts.items)
    assert np.array_equal(whole.offsets, parts.offsets)


@pytest.mark.parametrize("backend", ["eager", "tantivy"])
def test_apply_changes_and_adds_as_a_refit_would(backend: str) -> None:
    items = [Item(item_id=str(i), title=t) for i, t in enumerate(TITLES)]
    before = Dataset.of(items, [])
    changed = [Item(item_id="2", title="zebra lamp"), Item(item_id="new", title="zebra kettle")]
    table = before.items.put(changed)
    model = BM25(BM25.Config(backend=backend)).fit(before, FitOptions())
    live = model.apply(Delta(items=table, changed=np.array([2, 6], np.int32), events=Events.of([])))
    refit = BM25(BM25.Config(backend=backend)).fit(Dataset(table, before.log), FitOptions())
    requests = [Request(text="zebra kettle"), Request(history=Events.of([3])), Request(history=Events.of([6]))]
    a, b = live.generate(requests, 10), refit.generate(requests, 10)
    assert live.n_items == 7
    assert [set(x.items.tolist()) for x in a] == [set(x.items.tolist()) for x in b]
    if backend == "eager":
        assert np.array_equal(a.items, b.items)
        assert np.allclose(a.scores, b.scores)
    assert not model.generate([Request(text="zebra")], 10).items.size


def test_words_and_counts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    write_json(tmp_path / "words.json", ["one"])
    with pytest.raises(ShapeMismatch, match="1 words"):
        BM25.load(tmp_path, Deps())
