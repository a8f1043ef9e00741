from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from recsys.data.tripadvisor import TripAdvisor
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests

Write = Callable[..., str]
PETER = [
    {
        "user": "u1",
        "item": "h1",
        "rating": 5,
        "template": ["pool", "nice", "the pool was <b>nice</b>", 1],
        "predicted": "pool",
    },
    {"user": "u1", "item": "h2", "rating": 2, "template": ["room", "small", "a small room", -1], "predicted": "room"},
    {"user": "u2", "item": "h1", "rating": 4, "template": None, "predicted": "bar"},
]
URL = "Hotel_Review-g1-d2-Reviews-The_Old_Mill-Springfield_Ohio.html"
HOTELREC = {
    "author": "Jane R", "hotel_url": URL, "rating": 4.0, "title": "Fine", "text": "Good stay.",
    "date": "2018-03-27T00:00:00", "property_dict": {"service": 4.0},
}  # fmt: skip


class TestTripAdvisor(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], TripAdvisor]:
        return TripAdvisor

    @pytest.fixture
    def place(self, write: Write) -> str:
        return write("reviews.json", json.dumps(PETER))

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.json", "[" + json.dumps(PETER[0]) + ', {"user": }, 3, ' + json.dumps(PETER[1]) + "]")


@pytest.mark.parametrize("lines", [True, False])
def test_peter_as_a_list_or_as_lines(write: Write, lines: bool) -> None:
    place = write("r.jsonl.gz", *map(json.dumps, PETER)) if lines else write("r.json", json.dumps(PETER, indent=1))
    data, report = TripAdvisor().read(place)
    assert data.info["has_times"] is False
    assert [data.items.ids[r] for r in data.log.history(0).rows.tolist()] == ["h1", "h2"]
    assert [(r.text, r.rating) for r in data.reviews] == [("the pool was nice", 5.0), ("a small room", 2.0)]
    assert (report.read, report.kept) == (3, 3)


def test_hotelrec_hashes_authors_and_names_hotels(write: Write) -> None:
    lines = (
        HOTELREC,
        HOTELREC,
        {**HOTELREC, "date": None},
        {**HOTELREC, "rating": "great"},
        {**HOTELREC, "author": ""},
    )
    data, report = TripAdvisor().read(write("r.jsonl", *map(json.dumps, lines)))
    assert data.items.titles == ["The Old Mill, Springfield Ohio"]
    assert data.info["bare_items"] == 0
    assert data.log.events.times.tolist() == [1_522_108_800]
    assert "Jane" not in repr((data.log.users, data.reviews))
    assert len(data.log.users[0]) == 20
    assert (data.reviews[0].summary, data.reviews[0].text) == ("Fine", "Good stay.")
    causes = ("exact duplicate", "time is missing", "rating is not a number", "user id is missing")
    assert report.reasons == dict.fromkeys(causes, 1)
    assert (report.read, report.kept) == (5, 1)


def test_equal_records_are_duplicates_even_without_times(write: Write) -> None:
    _, report = TripAdvisor().read(write("r.jsonl", *map(json.dumps, [*PETER, PETER[0]])))
    assert report.samples == ("r.jsonl:4: exact duplicate",)


def test_pickles_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="save it as JSON first"):
        TripAdvisor().read(write("reviews.pickle", "x"))
