from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.amazon import Amazon
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.protocols import Deps
from recsys.testing.kits import ReaderTests
from recsys.types import Item

Write = Callable[..., str]


def review(n: int = 0, **changed: Any) -> str:
    record = {
        "reviewerID": f"U{n % 3}", "asin": f"A{n % 4}", "reviewerName": "Jane Roe", "overall": 4.0,
        "reviewText": f"Text {n}", "summary": f"Sum {n}", "unixReviewTime": 1_400_000_000 + n * 86_400,
    }  # fmt: skip
    return json.dumps({**record, **changed})


def item(data: Dataset, item_id: str) -> Item:
    return data.items.item(data.items.vocabulary.row(item_id))


class TestAmazon(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], Amazon]:
        return lambda: Amazon.from_config(Amazon.Config(), Deps())

    @pytest.fixture
    def place(self, write: Write) -> str:
        return write("reviews.jsonl.gz", *(review(n) for n in range(12)))

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.jsonl", review(0), "{broken", review(1, overall="many"), review(2))


def test_2014_files_with_python_literals(write: Write) -> None:
    reviews = write("r.json", review(0), review(1, asin="A0"), review(2, asin="B9"))
    meta = write(
        "m.json",
        "{'asin': 'A0', 'title': 'Grandma\\'s &quot;pan&quot;', 'price': 12.5, 'brand': u'Acme',"
        " 'categories': [['Kitchen', 'Pans'], ['Kitchen', 'Steel']], 'salesRank': {'Kitchen': 3}}",
        "{'asin': 'A0', 'title': 'again'}",
        "{'asin': 'ZZ', 'title': 'never bought'}",
    )
    data, report = Amazon().read(f"{reviews},{meta}")
    pan = item(data, "A0")
    assert (pan.title, pan.price, pan.brand) == ('Grandma\'s "pan"', 12.5, "Acme")
    assert pan.categories == ("Kitchen", "Pans", "Steel")
    assert pan.attributes == {}
    assert (report.read, report.kept, report.repaired, report.dropped) == (6, 4, 1, 2)
    assert report.reasons["item without events"] == report.reasons["item seen before"] == 1
    assert data.info["bare_items"] == 1
    assert set(data.log.users) == {"U0", "U1", "U2"}


def test_2018_metadata_with_all_its_dirt(write: Write) -> None:
    reviews = write("r.json.gz", *(review(n, asin=f"A{n}") for n in range(5)))
    meta = write(
        "m.json.gz",
        json.dumps(
            {
                "asin": "A0",
                "title": "<b>Salt</b> &amp; Pepper\x07",
                "category": ["Grocery", "Grocery", "Spices &amp; Herbs"],
                "description": ["<p>First.</p><script>track()</script>", "", "Second."],
                "feature": "['Hand made', 'Fresh']",
                "price": "$1,250.00 - $1,300.00",
                "brand": "by Acme",
                "details": "{'Colour:': 'red', 'ASIN: ': 'A0', 'Shipping Weight:': '3 kg', '\\n Material \\n:': 'oak'}",
                "rank": "1 in Grocery",
                "also_buy": ["A1"],
            }
        ),
        json.dumps({"asin": "A1", "title": "var a = (new Date()).getTime();" + "x" * 9000, "category": "['Toys']"}),
        json.dumps({"asin": "A2", "title": ["list"], "price": "", "category": [], "main_cat": "Books"}),
        json.dumps({"asin": ["A3"]}),
        json.dumps({"title": "no id"}),
        json.dumps({"asin": "A4", "title": "T" * 800, "price": ".zA { width: 100px } and more of a style sheet 17"}),
    )  # fmt: skip
    data, report = Amazon().read(f"{reviews},{meta}")
    first = item(data, "A0")
    assert first.title == "Salt & Pepper"
    assert first.categories == ("Grocery", "Spices & Herbs")
    assert first.text == "First. Second. Hand made Fresh"
    assert first.price == 1250.0
    assert first.brand == "Acme"
    assert first.attributes == {"colour": "red", "material": "oak"}
    assert (item(data, "A1").title, item(data, "A1").categories) == ("", ("Toys",))
    assert item(data, "A2").categories == ("Books",)
    assert item(data, "A2").price is None
    assert len(item(data, "A4").title) == 500
    assert item(data, "A4").price is None
    assert (report.read, report.kept, report.repaired, report.dropped) == (11, 9, 1, 2)
    assert report.reasons["script instead of a title"] == 1
    assert "m.json.gz:4: item id is neither a string nor a whole number" in report.samples
    assert "m.json.gz:5: item id is missing" in report.samples


def test_2023_files(write: Write) -> None:
    record = {
        "rating": 5.0, "title": "Love it", "text": "So <br />soft.", "asin": "V1", "parent_asin": "P1",
        "user_id": "UX", "timestamp": 1_588_687_728_923, "helpful_vote": 0, "verified_purchase": True, "images": [],
    }  # fmt: skip
    reviews = write("r.jsonl", json.dumps(record), json.dumps({**record, "parent_asin": None, "asin": "P2"}))
    meta = write(
        "m.jsonl",
        json.dumps({
            "main_category": "All Beauty", "title": "Scarf", "average_rating": 4.8, "features": ["Warm"], "price": 9.5,
            "description": ["A scarf."], "store": "Wool & Co", "categories": [], "details": {"Material": "wool"},
            "parent_asin": "P1", "bought_together": None, "images": [{}],
        }),
    )  # fmt: skip
    data, report = Amazon().read(f"{reviews},{meta}")
    scarf = item(data, "P1")
    assert (scarf.title, scarf.brand, scarf.price, scarf.categories) == ("Scarf", "Wool & Co", 9.5, ("All Beauty",))
    assert scarf.text == "A scarf. Warm"
    assert scarf.attributes == {"Material".lower(): "wool"}
    assert set(data.items.ids) == {"P1", "P2"}
    assert data.log.events.times.tolist() == [1_588_687_728] * 2
    assert {(r.summary, r.text, r.rating) for r in data.reviews} == {("Love it", "So soft.", 5.0)}
    assert report.dropped == 0


def test_broken_reviews_are_dropped_by_cause_and_line(write: Write) -> None:
    good = [review(n) for n in range(4)]
    bad = {
        "user id is missing": review(4, reviewerID=None),
        "item id is missing": review(4, asin=""),
        "rating is missing": review(4, overall=float("nan")),
        "rating is outside 0..5": review(4, overall=55),
        "time is missing": review(4, unixReviewTime=float("nan")),
        "time is outside 1970..2100": review(4, unixReviewTime=-1),
        "not JSON": review(4)[:-20],
        "not a JSON object": "[]",
        "line is too long": review(4, reviewText="x" * (1 << 20)),
    }
    place = write("r.jsonl", *good, *bad.values(), review(4))
    data, report = Amazon().read(place)
    assert report.reasons == dict.fromkeys(bad, 1)
    for line, cause in enumerate(bad, 5):
        assert f"r.jsonl:{line}: {cause}" in report.samples
    assert (report.read, report.kept, report.dropped) == (14, 5, 9)
    assert len(data.log) == 5


def test_reviews_hold_no_names_and_follow_the_log(write: Write) -> None:
    place = write("r.jsonl", review(0), review(0), review(1, reviewText="", summary=""), review(2))
    data, report = Amazon().read(place)
    assert [r.text for r in data.reviews] == ["Text 0", "Text 2"]
    assert "Jane" not in repr(data.reviews)
    assert [r.review_id for r in data.reviews] == ["1", "4"]
    assert report.reasons == {"exact duplicate": 1}
    assert Amazon().read(place + "?reviews=false")[0].reviews == ()


def test_options_in_the_place(write: Write) -> None:
    place = write("r.jsonl", *(review(n) for n in range(12)), review(12, reviewerID="rare"))
    assert "rare" in Amazon().read(place)[0].log.users
    data, report = Amazon().read(f"{place}?user_core=2&item_core=2")
    assert "rare" not in data.log.users
    assert report.reasons == {"outside the k-core": 1}
    with pytest.raises(ConfigError, match=r"amazon\.user_core.*options: .*duplicates"):
        Amazon().read(place + "?user_core=few")
    with pytest.raises(ConfigError, match="nonsense"):
        Amazon().read(place + "?nonsense=1")


def test_unused_items_can_be_kept(write: Write) -> None:
    place = f"{write('r.jsonl', review(0))},{write('m.jsonl', json.dumps({'asin': 'A9', 'title': 'new'}))}"
    assert "A9" not in Amazon().read(place)[0].items.ids
    assert "A9" in Amazon().read(place + "?unused_items=keep")[0].items.ids


def test_wrong_places_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="got 3 files"):
        Amazon().read("a,b,c")
    with pytest.raises(DataError, match="write amazon:FILE"):
        Amazon().read("")
    with pytest.raises(DataError, match="no event is left of 1 records; not JSON: 1"):
        Amazon().read(write("r.jsonl", "nothing here"))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.text(max_size=40).map(str.encode),
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ("reviewerID", "asin", "overall", "unixReviewTime", "reviewText", "summary", "user_id", "rating"),
                    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just([[]])),
                ),
            ).map(lambda d: json.dumps(d).encode()),
        ),
        max_size=12,
    )
)
def test_dirt_between_good_lines_never_ends_the_run(tmp_path: Path, dirt: list[bytes]) -> None:
    good = [review(n).encode() for n in range(3)]
    (tmp_path / "r.jsonl").write_bytes(b"\n".join([good[0], *dirt[:6], good[1], *dirt[6:], good[2]]))
    (tmp_path / "m.jsonl").write_bytes(b"\n".join([b'{"asin": "A0", "title": "x"}', *dirt]))
    data, report = Amazon().read(f"{tmp_path / 'r.jsonl'},{tmp_path / 'm.jsonl'}")
    assert report.read == report.kept + report.dropped
    assert report.repaired <= report.kept
    texts = {r.text for r in data.reviews}
    assert {"Text 0", "Text 1", "Text 2"} <= texts
    assert item(data, "A0").title == "x"


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "users", "items", "rows", "exact", "moments"),
    [
        ("All_Beauty_5.json.gz", 991, 85, 5269, 1027, 81),
        ("reviews_Musical_Instruments_5.json.gz", 1429, 900, 10261, 0, 0),
        ("Gift_Cards_5.json.gz", 458, 148, 2972, 0, 3),
    ],
)
def test_published_files(
    data_folder: Path, file: str, users: int, items: int, rows: int, exact: int, moments: int
) -> None:
    data, report = Amazon().read(str(data_folder / "amazon_reviews" / file))
    assert (data.log.n_users, len(data.items), report.read) == (users, items, rows)
    assert report.reasons.get("exact duplicate", 0) == exact
    assert report.reasons.get("same user, item, kind and time", 0) == moments
    assert len(data.log) == report.kept == rows - exact - moments
    assert set(data.log.events.values.tolist()) <= {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.realdata
def test_published_pairs_and_metadata(data_folder: Path) -> None:
    folder = data_folder / "amazon_reviews"
    _, report = Amazon().read(f"{folder / 'All_Beauty_5.json.gz'}?duplicates=pair")
    assert report.dropped == 1177
    place = f"{folder / 'Gift_Cards_5.json.gz'},{folder / 'meta_Gift_Cards.json.gz'}"
    data, report = Amazon().read(place + "?duplicates=pair")
    assert report.reasons == {
        "item without events": 1547 - 148,
        "same user, item, kind and time": 3,
        "same user and item": 4,
    }
    assert data.info["bare_items"] == 0
    assert all(data.items.titles)
    data, _ = Amazon().read(place + "?unused_items=keep")
    table = data.items
    assert len(table) == 1547
    assert sum(map(bool, table.brands)) == 527
    assert int((table.prices > 0).sum()) <= 362
    assert not any("<" in text and "/>" in text for text in table.texts)


@pytest.mark.realdata
def test_a_published_file_cut_in_half_still_reads(data_folder: Path, tmp_path: Path) -> None:
    packed = (data_folder / "amazon_reviews" / "Gift_Cards_5.json.gz").read_bytes()
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(packed[: len(packed) // 2])
    data, report = Amazon().read(os.fspath(cut))
    assert 1000 < len(data.log) < 2000
    assert report.reasons["gzip ends early: the rest is lost"] == 1
    with pytest.raises(EOFError):
        gzip.decompress(cut.read_bytes())
