from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.data.recbole import RecBole
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests
from recsys.types import KINDS

Write = Callable[..., str]
INTER = ("user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t10\t4\t978300760", "2\t10\t3\t978300761.0")


class TestRecBole(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], RecBole]:
        return RecBole

    @pytest.fixture
    def place(self, write: Write) -> str:
        return str(Path(write("set/set.inter", *INTER)).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.inter", *INTER, "1\t10", "1\t20\tnine\t978300760", "\t\t\t")


def test_items_beside_the_interactions(write: Write) -> None:
    write(
        "set.item.gz",
        "item_id:token\ttitle:token_seq\tcategories:token_seq\tprice:float\tsales_rank:float\tcolour:token\tweight:float\ttags:token_seq",
        "10\tA small &amp; red pan\t'Kitchen', 'Pots, Pans'\t12.5\t3\tred\t1.5\tsteel oven",
        "20\tUnseen\tKitchen,Garden\t\t\t\t\t",
        "30\tBad\tKitchen\t1\t1\tred\theavy\t",
    )
    data, report = RecBole().read(write("set.inter", *INTER))
    pan = data.items.item(data.items.vocabulary.row("10"))
    assert (pan.title, pan.price, pan.categories) == ("A small & red pan", 12.5, ("Kitchen", "Pots, Pans"))
    assert pan.attributes == {"colour": "red", "weight": 1.5, "tags": ("steel", "oven")}
    assert data.items.item(data.items.vocabulary.row("20")).categories == ("Kitchen", "Garden")
    assert {KINDS[k] for k in data.log.events.kinds.tolist()} == {"rating"}
    assert data.log.events.times.tolist() == [978_300_760, 978_300_761]
    assert report.samples == ("set.item.gz:4: weight is not a number",)


def test_ready_splits_without_ratings_and_times(write: Write) -> None:
    head = "user_id:token\titem_id:token"
    write("b/b.test.inter", head, "u\tlast")
    write("b/b.item", "item_id:token\tclass:token_seq", "first\tMusic Pop")
    folder = Path(write("b/b.train.inter.gz", head, "u\tfirst", "u\tsecond")).parent
    data, _ = RecBole().read(f"{folder / 'b.train.inter.gz'},{folder / 'b.test.inter'},{folder / 'b.item'}")
    assert [data.items.ids[r] for r in data.log.events.rows.tolist()] == ["first", "second", "last"]
    assert {KINDS[k] for k in data.log.events.kinds.tolist()} == {"interaction"}
    assert data.items.item(data.items.vocabulary.row("first")).categories == ("Music", "Pop")
    assert data.info["has_times"] is False
    assert len(RecBole().read(str(folder))[0].log) == 3


def test_wrong_files_are_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.inter file"):
        RecBole().read(str(tmp_path))
    with pytest.raises(DataError, match="no column user_id"):
        RecBole().read(write("a.inter", "user:token\titem_id:token"))
    with pytest.raises(DataError, match="'user_id' has no type"):
        RecBole().read(write("b.inter", "user_id\titem_id"))
