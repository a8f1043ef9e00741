from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.data.mind import MIND
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests
from recsys.types import KINDS

Write = Callable[..., str]
BEHAVIORS = (
    "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-1 N4-0",
    "2\tU1\t11/12/2019 9:05:58 AM\tN1 N2\tN5-0 N6-1",
    "3\tU2\t11/11/2019 1:00:00 PM\t\tN3-0",
)
NEWS = (
    'N3\tsports\tgolf\tA "quoted title\tAn &amp; abstract\thttps://example.org\t[]\t[]',
    "N9\tnews\tnews\tUnseen\t\thttps://example.org\t[]\t[]",
)


def told(data: Dataset) -> list[tuple[str, str, str, int]]:
    ids, events = data.items.ids, data.log.events
    owners = [data.log.users[o] for o in data.log.owner.tolist()]
    rows = zip(owners, events.rows.tolist(), events.kinds.tolist(), events.positions.tolist())
    return [(user, ids[row], KINDS[kind], position) for user, row, kind, position in rows]


class TestMIND(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], MIND]:
        return MIND

    @pytest.fixture
    def place(self, write: Write) -> str:
        write("mind/news.tsv", *NEWS)
        return str(Path(write("mind/behaviors.tsv", *BEHAVIORS)).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.tsv", *BEHAVIORS, "4\tU3\tsoon\t\tN1-0", "5\tU3", "6\tU3\t11/11/2019 9:05:58 AM\tN1\t")


def test_history_impressions_and_news(write: Write) -> None:
    place = f"{write('behaviors.tsv', *BEHAVIORS)},{write('news.tsv', *NEWS)}"
    data, report = MIND().read(place)
    assert sorted(told(data)) == sorted([
        ("U1", "N1", "click", 0), ("U1", "N2", "click", 0), ("U1", "N3", "click", 0), ("U1", "N4", "impression", 0),
        ("U1", "N5", "impression", 0), ("U1", "N6", "click", 0), ("U2", "N3", "impression", 0),
    ])  # fmt: skip
    first = data.log.history(data.log.users.index("U1"))
    assert [data.items.ids[r] for r in first.rows[:2].tolist()] == ["N1", "N2"]
    assert first.times.tolist()[:3] == [1_573_463_156, 1_573_463_157, 1_573_463_158]
    golf = data.items.item(data.items.vocabulary.row("N3"))
    assert (golf.title, golf.text, golf.categories) == ('A "quoted title', "An & abstract", ("sports", "golf"))
    assert data.items.item(data.items.vocabulary.row("N9")).categories == ("news",)
    assert (report.read, report.kept, report.dropped) == (9, 9, 0)


def test_positions_only_where_they_mean_something(write: Write) -> None:
    place = write("behaviors.tsv", *BEHAVIORS)
    assert ("U1", "N6", "click", 2) in told(MIND().read(place + "?positions=true")[0])
    data, report = MIND().read(place + "?impressions=false")
    assert {kind for _, _, kind, _ in told(data)} == {"click"}
    assert report.reasons == {"impression left out by the settings": 3}


def test_every_broken_part_is_named(write: Write) -> None:
    bad = (
        "1\tU1\t11/11/2019 9:05:58 AM\t\tN3-1 N4 N5-x -1 N6-0",
        "2\tU1\t11/11/2019 9:05:58 AM\tN1\t",
        "3\t\t11/11/2019 9:05:58 AM\tN1\tN2-0",
        "4\tU1\tyesterday\tN1\tN2-0",
        "5\tU1\t11/11/2019 9:05:58 AM\tN" + "1" * 300 + "\tN2-0",
        "6\tU1",
    )
    data, report = MIND().read(write("b.tsv", *bad))
    assert told(data) == [("U1", "N1", "click", 0), ("U1", "N3", "click", 0), ("U1", "N6", "impression", 0)]
    assert report.reasons == {
        "impression without a label 0 or 1": 2,
        "item id is missing": 1,
        "no impressions": 1,
        "user id is missing": 1,
        "time is neither a number nor an ISO 8601 date": 1,
        "item id is longer than 256 characters": 1,
        "wrong number of columns": 1,
    }
    assert report.read == report.kept + report.dropped == 11
    assert "b.tsv:2: no impressions" in report.samples


def test_wrong_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no behaviors\.tsv"):
        MIND().read(str(tmp_path))
    with pytest.raises(DataError, match="got 3 files"):
        MIND().read("a,b,c")
