from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from recsys.data.s3rec import S3Rec
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests

Write = Callable[..., str]
SEQUENCES = ("1 1 2 3 2", "2 3 4 1 5", "3 2 5")
ITEMS = (
    '{"item_id": 1, "title": "Kettle &amp; lid", "brand": "Hearthly", "categories": ["Home", "Kitchen", "Home"]}',
    '{"item_id": 4, "name": "Teapot", "keywords": "blue clay"}',
)


class TestS3Rec(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], S3Rec]:
        return S3Rec

    @pytest.fixture
    def place(self, write: Write) -> str:
        write("toy/items.jsonl.gz", *ITEMS)
        return str(Path(write("toy/sequences.txt.gz", *SEQUENCES)).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        write("dirty/items.jsonl", *ITEMS, "{", '{"item_id": 99, "title": "Nowhere"}', "[]")
        lines = (*SEQUENCES, "4", "5 one two", "6 1 -3", "7 0 1", b"\xff\xfe 1 2", "")
        return str(Path(write("dirty/sequences.txt", *lines)).parent)


def test_sequences_become_histories_in_order(write: Write) -> None:
    data, report = S3Rec().read(str(Path(write("toy/sequences.txt", *SEQUENCES)).parent))
    ids = data.items.ids
    assert sorted(ids) == ["1", "2", "3", "4", "5"]
    assert data.log.users == ("1", "2", "3")
    told = [[ids[r] for r in data.log.history(u).rows] for u in range(3)]
    assert told == [line.split()[1:] for line in SEQUENCES]
    assert data.log.history(0).times.tolist() == [0, 1, 2, 3]
    assert (data.log.events.weights == 1).all()
    assert (report.read, report.kept, data.info["has_times"]) == (3, 3, False)


def test_rows_do_not_follow_item_numbers(write: Write) -> None:
    line = "1 " + " ".join(str(n) for n in range(1, 101))
    data, _ = S3Rec().read(str(Path(write("toy/sequences.txt", line)).parent))
    places = [int(i) for i in data.items.ids]
    assert sorted(places) == list(range(1, 101))
    assert sum(a < b for a, b in pairwise(places)) < 70


def test_items_are_described(write: Write) -> None:
    write("toy/items.jsonl", *ITEMS)
    data, _ = S3Rec().read(str(Path(write("toy/sequences.txt", *SEQUENCES)).parent))
    kettle, teapot, bare = (data.items.item(data.items.vocabulary.row(i)) for i in "142")
    assert (kettle.title, kettle.brand, kettle.categories) == ("Kettle & lid", "Hearthly", ("Home", "Kitchen"))
    assert (teapot.title, teapot.text) == ("Teapot", "blue clay")
    assert (bare.title, bare.brand, bare.categories) == ("", None, ())


def test_attribute_numbers_stand_in_where_there_are_no_names(write: Write) -> None:
    write("toy/item2attributes.json", '{"1": [7, 8], "2": [8]}')
    write("toy/items.jsonl", ITEMS[0])
    data, _ = S3Rec().read(str(Path(write("toy/sequences.txt", *SEQUENCES)).parent))
    named, numbered = (data.items.item(data.items.vocabulary.row(i)) for i in "12")
    assert "attribute" not in named.attributes
    assert numbered.attributes["attribute"] == ("#8",)


@pytest.mark.parametrize("lines", [(), ("x",), ("1 zero",)])
def test_a_file_without_a_sequence_is_refused(write: Write, lines: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="sequence"):
        S3Rec().read(str(Path(write("toy/sequences.txt", *lines)).parent))
