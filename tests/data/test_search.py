from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.report import Tally
from recsys.data.search.judgements import INFO_KEY, Judgements, JudgementsBuilder, judgements_of
from recsys.data.search.reader import SearchData
from recsys.data.source import open_data
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.ids import Vocabulary
from recsys.targets import Targets
from recsys.testing.kits import ReaderTests

Write = Callable[..., str]
ITEMS = (
    '{"item_id": "a", "title": "Kettle &amp; lid", "text": "boils", "brand": "Hearthly", "categories": ["Kitchen"], '
    '"price": 19.5, "attributes": {"litres": 1.7, "cordless": true, "colour": "red", "nested": {"x": 1}}}',
    '{"item_id": "b", "title": "Teapot", "attributes": {"colours": ["blue", "green", "blue"]}}',
    '{"id": 3, "title": "Cup"}',
)
JUDGED = ("query,item_id,grade", "kettle,a,3", "kettle,b,1", "tea pot,b,2", '"cup, red",3,0')


class TestSearchData(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], SearchData]:
        return SearchData

    @pytest.fixture
    def place(self, write: Write) -> str:
        write("toy/items.jsonl.gz", *ITEMS)
        return str(Path(write("toy/judgements.csv", *JUDGED)).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        write("dirty/items.jsonl", *ITEMS, "{", "[]", '{"title": "no id"}', '{"item_id": "a", "title": "again"}')
        broken = ("kettle,a,2", "kettle,nowhere,1", "kettle,b,high", ",b,1", "tea,a,-1", "tea,a", "tea,,1", b"\xff,b,1")
        return str(Path(write("dirty/judgements.csv", *JUDGED, *broken)).parent)

    # What is read here are judged queries: such a collection has no shoppers and so no events.
    def test_read_gives_a_dataset_and_a_report(self, component: Callable[[], SearchData], place: str) -> None:
        data, report = component().read(place)
        assert (len(data.items), len(data.log), data.log.n_users) == (3, 0, 0)
        assert len(judgements_of(data)) == 3
        assert (report.read, report.dropped) == (7, 0)

    def test_read_survives_dirt(self, component: Callable[[], SearchData], dirty: str | None) -> None:
        assert dirty is not None
        data, report = component().read(dirty)
        assert sorted(data.items.ids) == ["3", "a", "b"]
        assert judgements_of(data).queries == ("kettle", "tea pot", "cup, red", "\ufffd")
        assert report.reasons == {
            "not JSON": 1, "not a JSON object": 1, "item_id is missing": 1, "item seen before": 1,
            "the same query and item judged twice": 1, "grade is not a number": 1, "query is missing": 1,
            "grade is outside 0..10": 1, "wrong number of columns": 1, "item id is missing": 1,
            "judged item is not in the catalogue": 1, "invalid UTF-8 replaced": 1,
        }  # fmt: skip
        assert "judgements.csv:7: judged item is not in the catalogue" in report.samples


def test_plain_files(write: Write) -> None:
    write("mine/items.jsonl", *ITEMS)
    data, _ = SearchData().read(str(Path(write("mine/judgements.csv", *JUDGED)).parent))
    assert data.name == "search:mine"
    kettle = data.items.item(data.items.vocabulary.row("a"))
    assert (kettle.title, kettle.text, kettle.brand, kettle.price) == ("Kettle & lid", "boils", "Hearthly", 19.5)
    assert kettle.attributes == {"litres": 1.7, "cordless": True, "colour": "red"}
    assert data.items.item(data.items.vocabulary.row("b")).attributes == {"colours": ("blue", "green")}
    found = judgements_of(data)
    assert found.answerable.tolist() == [True, True, False]
    rows = data.items.vocabulary.rows(["a", "b", "b", "3"])
    assert found.targets.rows.tolist() == rows.tolist()
    assert found.targets.gains is not None
    assert found.targets.gains.tolist() == [3, 1, 2, 0]


def test_icecat_fields(write: Write) -> None:
    write(
        "icecat/products.jsonl",
        '{"id": "7", "name": "K-1", "title": "Hearthly K-1", "short_description": "A <b>kettle</b>", "ean": ["012"], '
        '"supplier": "Hearthly", "price": 4995, "date_released": "2009-12-10T00:00:00Z", "attr_t_type": "Original", '
        '"attr_n_weight": 1.5, "attr_b_lid": false, "image": "x"}',
    )
    data, _ = SearchData().read(str(Path(write("icecat/ratings.csv", "query,docid,rating", "kettle,7,3")).parent))
    item = data.items.item(0)
    assert (item.item_id, item.text, item.brand, item.price) == ("7", "A kettle", "Hearthly", 49.95)
    assert item.created is not None
    assert item.created.year == 2009
    assert item.attributes == {"name": "K-1", "type": "Original", "weight": 1.5, "lid": False, "ean": ("012",)}


def test_msrd_fields(write: Write) -> None:
    write(
        "msrd/movies.jsonl",
        '{"id": "9", "title": "Kettles", "overview": "They boil.", "tags": [], "genres": ["Drama", "drama"], '
        '"director": "A. B", "actors": ["C D", "E F"], "characters": ["G"], "year": 2001, "votes": 10, "rating": 6.5}',
    )
    place = Path(write("msrd/judgments.tsv", "query_id\tquery\tdoc_id\tgrade", "1\tboil\t9\t1")).parent
    item = SearchData().read(str(place))[0].items.item(0)
    assert item.categories == ("drama",)
    assert item.attributes == {
        "director": "A. B", "actors": ("C D", "E F"), "characters": ("G",), "year": 2001, "votes": 10, "rating": 6.5,
    }  # fmt: skip


def test_what_is_missing_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no catalogue with judgements.*products\.jsonl and ratings\.csv"):
        SearchData().read(str(tmp_path))
    write("bad/items.jsonl", *ITEMS)
    with pytest.raises(DataError, match="query, item_id, grade"):
        SearchData().read(str(Path(write("bad/judgements.csv", "a,b", "c,d")).parent))
    with pytest.raises(DataError, match="judges no item"):
        SearchData().read(str(Path(write("bad/judgements.csv", "query,item_id,grade", "q,zz,1")).parent))
    write("bad/items.jsonl", "{")
    with pytest.raises(DataError, match="holds no item"):
        SearchData().read(str(Path(write("bad/judgements.csv", *JUDGED)).parent))


def test_a_data_set_without_judgements_says_so() -> None:
    with pytest.raises(DataError, match="no judged queries: read one with search:FOLDER"):
        judgements_of(Dataset.of([], []))


def test_judgements_fit_together() -> None:
    with pytest.raises(DataError, match="2 queries, judged items for 1"):
        Judgements(("a", "b"), Targets.of([[0]], [[1]]))
    with pytest.raises(DataError, match="need a grade"):
        Judgements(("a",), Targets.of([[0]]))


def test_one_question_is_one_group() -> None:
    queries = ("Laptop", "laptops", "laptop bag", "Bag  LAPTOP", "café", "cafe", "gps")
    found = Judgements(queries, Targets.of([[0]] * 7, [[1]] * 7)).groups()
    assert found.tolist() == [0, 0, 1, 1, 2, 2, 3]


@given(
    st.lists(st.tuples(st.text("ab ", min_size=1, max_size=3), st.sampled_from("wxyz"), st.integers(0, 3)), max_size=30)
)
def test_nothing_is_lost_or_doubled(judged: list[tuple[str, str, int]]) -> None:
    tally = Tally()
    builder = JudgementsBuilder(tally)
    for line, (query, item, grade) in enumerate(judged):
        tally.start("f", line)
        builder.add(query, item, grade)
    found = builder.build(Vocabulary("wxy"))
    first: dict[tuple[str, str], int] = {}
    for query, item, grade in judged:
        first.setdefault((query, item), grade)
    expected = {k: v for k, v in first.items() if k[1] != "z"}
    assert found.targets.gains is not None
    names = [(found.queries[o], "wxy"[r]) for o, r in zip(found.targets.owner, found.targets.rows, strict=True)]
    assert dict(zip(names, found.targets.gains.astype(int).tolist(), strict=True)) == expected
    report = tally.freeze()
    assert (report.read, report.kept) == (len(judged), len(expected))


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "items", "queries", "judged", "answerable", "dropped"),
    [("icecat", 19_406, 92, 2_474, 78, 0), ("search:msrd", 9_750, 11_448, 270_361, 11_448, 264)],
)
def test_public_collections(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, items: int, queries: int, judged: int,
    answerable: int, dropped: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECSYS_DATA", str(data_folder))
    data, report = open_data(name)
    found = judgements_of(data)
    assert (len(data.items), len(found), len(found.targets.rows)) == (items, queries, judged)
    assert int(found.answerable.sum()) == answerable
    assert report.dropped == dropped
    assert report.reasons == ({"judged item is not in the catalogue": 264} if dropped else {})
    assert data.info[INFO_KEY] is found
    # The files come sorted by fame; rows must not.
    votes = np.array([float(a.get("popularity", 0)) for a in data.items.attributes])
    assert not votes.any() or abs(np.corrcoef(votes, np.arange(items))[0, 1]) < 0.05
