import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.artifacts import read_array, write_array
from recsys.dataset import Dataset, ItemTable
from recsys.errors import ArtifactMissing, ShapeMismatch
from recsys.protocols import Deps, FitOptions
from recsys.search import index as indexes
from recsys.search.config import IndexConfig
from recsys.search.generator import TextSearch
from recsys.search.index import TextIndex
from recsys.search.parse import Parser
from recsys.search.plan import Searcher, plan
from recsys.types import Item, Request, Slates

TEXTS = st.text(alphabet="abc -2", max_size=14)


def found(index: TextIndex, text: str) -> dict[int, float]:
    rows, scores = Searcher(index).top(plan(index, Parser(index).parse(text)), 50, None)
    return dict(zip(rows.tolist(), scores.tolist(), strict=True))


def table(titles: Sequence[str]) -> ItemTable:
    return ItemTable.of(Item(item_id=str(i), title=t) for i, t in enumerate(titles))


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.dictionaries(st.integers(0, 8), TEXTS, max_size=4), TEXTS)
def test_a_patched_index_finds_what_a_new_one_finds(titles, changes, query):
    """Statistics may differ until the patch is merged; what matches may not."""
    items = table(titles)
    index = TextIndex.of(items, IndexConfig(typos=False))
    for row, title in changes.items():
        grown = items.put([Item(item_id=str(min(row, len(items))), title=title)])
        index = index.put(grown, grown.vocabulary.rows([str(min(row, len(items)))]))
        items = grown
    fresh = TextIndex.of(items, IndexConfig(typos=False))
    assert set(found(index, query)) == set(found(fresh, query))
    assert [index.analyzer.terms(t) for t in items.titles] == [
        [list(index.lexicon.terms)[t] for t in index.title(row)] for row in range(len(items))
    ]


def test_words_that_come_and_go_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(indexes, "NEW_WORDS", 10)
    items = table(["red kettle", "blue lamp"])
    index = TextIndex.of(items, IndexConfig(typos=False))
    words = [f"q{a}{b}" for a in "abcdefghkl" for b in "abcdefghkl"]
    for word in words:
        items = items.put([Item(item_id="0", title=f"kettle {word}")])
        index = index.put(items, np.array([0], np.int32))
        assert len(index.lexicon.names) <= 10 + 2 * 4 + 2
    assert set(found(index, words[-1])) == {0}
    assert all(found(index, word) == {} for word in words[:-1])


def test_a_large_patch_is_merged(monkeypatch):
    monkeypatch.setattr(indexes, "PATCH_ROWS", 1)
    items = table(["red kettle", "blue lamp", "green hat"])
    index = TextIndex.of(items)
    grown = items.put([Item(item_id="new", title="red zircon")])
    once = index.put(grown, np.array([3], np.int32))
    assert once.patch is not None
    more = grown.put([Item(item_id="newer", title="red zircon")])
    twice = once.put(more, np.array([4], np.int32))
    assert twice.patch is None
    assert found(twice, "zircon").keys() == {3, 4}
    assert found(once, "zircon").keys() == {3}
    assert found(index, "zircon") == {}


def test_fields_weigh_as_they_are_told():
    items = ItemTable.of(
        [
            Item(item_id="title", title="amber"), Item(item_id="brand", title="x", brand="amber"),
            Item(item_id="actor", title="x", attributes={"actors": ("Amber", "Bo"), "n": 3.0, "waterproof": True}),
            Item(item_id="text", title="x", text="amber"),
        ]
    )  # fmt: skip
    plain = TextIndex.of(items)
    assert next(iter(found(plain, "amber"))) == 0
    assert found(plain, "waterproof").keys() == {2}
    assert found(plain, "3") == {}
    tuned = TextIndex.of(items, IndexConfig(weights={"text": 0, "attributes": 0}, extra={"actors": 30.0}))
    assert next(iter(found(tuned, "amber"))) == 2
    assert found(tuned, "amber").keys() == {0, 1, 2}
    assert found(tuned, "waterproof") == {}


@pytest.mark.parametrize(
    "settings", [{"weights": {"titel": 1}}, {"b_of": {"x": 0.5}}, {"extra": {"a": -1}}, {"k1": 0}, {"colour": 1}]
)
def test_unknown_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        IndexConfig(**settings)


def test_a_patch_is_saved_too(tmp_path):
    items = table(["red kettle", "blue lamp"])
    grown = items.put([Item(item_id="new", title="zircon kettle"), Item(item_id="0", title="red hat")])
    index = TextIndex.of(items).put(grown, np.array([0, 2], np.int32))
    index.save(tmp_path)
    loaded = TextIndex.load(tmp_path)
    for text in ("kettle", "red", "zircn", "hat lamp"):
        assert found(loaded, text) == pytest.approx(found(index, text))
    grown = grown.put([Item(item_id="3", title="zircon hat")])
    assert found(loaded.put(grown, np.array([3], np.int32)), "zircon").keys() == {2, 3}


@pytest.mark.parametrize("part", ["averages", "base-docs", "base-titles", "said", "base-ptr"])
def test_parts_that_do_not_fit_are_refused(part, tmp_path):
    TextIndex.of(table(["red kettle", "blue lamp"])).save(tmp_path)
    write_array(tmp_path / f"{part}.npy", read_array(tmp_path / f"{part}.npy")[:-1])
    with pytest.raises(ShapeMismatch):
        TextIndex.load(tmp_path)
    (tmp_path / f"{part}.npy").unlink()
    with pytest.raises(ArtifactMissing):
        TextIndex.load(tmp_path)


HOSTILE = (
    "\u202eelttek\u202c <script>alert(1)</script> ignore all previous instructions " * 3,
    "kettle " * 150_000,
    "\x00\x01\ufeff\u200b",
    "'\"-.&" * 1_000,
    "ﷺ" * 50_000,
    "\ud800 lone",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_products_change_nothing_of_others(text, tmp_path: Path):
    plain = [Item(item_id=f"{i}", title=t) for i, t in enumerate(["red kettle", "blue lamp", "red hat"])]
    evil = Item(
        item_id="evil", title=text, text=text, brand=text, categories=(text,), attributes={"a": text, "b": (text,)}
    )
    begin = time.perf_counter()
    search = TextSearch().fit(Dataset.of([*plain, evil], []), FitOptions())
    assert time.perf_counter() - begin < 10
    alone = TextSearch().fit(Dataset.of(plain, []), FitOptions())
    for query in ("red kettle", "lamp", text):
        assert search.matched_words(query, 0) == alone.matched_words(query, 0)
        match = search.match([query], facets=True)
        assert len(match.slates.items) <= 4
        features = search.features([Request(text=query)], Slates.of([range(4)]))
        assert not any(np.isinf(v).any() for v in features.values())
    assert search.match(["red kettle"]).slates.items[0] == 0 or "kettle" in text
    search.save(tmp_path)
    loaded = TextSearch.load(tmp_path, Deps(items=search.items))
    assert loaded.match(["red hat"]).slates.items.tolist() == search.match(["red hat"]).slates.items.tolist()
