from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.table import CSV, Parquet
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.testing.kits import ReaderTests
from recsys.types import KINDS, Item

Write = Callable[..., str]
EVENTS = (
    "user_id,item_id,event_type,timestamp",
    "u1,a,view,1514862245",
    "u1,b,addtocart,1514862246",
    "u2,a,buy,1514862247",
)


def told(data: Dataset) -> list[tuple[str, str, str, float]]:
    ids, events = data.items.ids, data.log.events
    owners = [data.log.users[o] for o in data.log.owner.tolist()]
    rows = zip(owners, events.rows.tolist(), events.kinds.tolist(), events.values.tolist())
    return [(user, ids[row], KINDS[kind], value) for user, row, kind, value in rows]


def item(data: Dataset, item_id: str) -> Item:
    return data.items.item(data.items.vocabulary.row(item_id))


class TestCSV(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], CSV]:
        return CSV

    @pytest.fixture
    def place(self, write: Write) -> str:
        return write("events.csv.gz", *EVENTS)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        return write("dirty.csv", *EVENTS, "u1,a", "u1,a,view,NaN", "u1,a,teleport,1", '"u1,a,view,1', "u1,,view,1")


class TestParquet(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], Parquet]:
        return Parquet

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return table(tmp_path / "events.parquet", user=["u", "v"], item=["a", "b"], time=[1514862245, 1514862246])

    @pytest.fixture
    def dirty(self, tmp_path: Path) -> str:
        return table(
            tmp_path / "dirty.parquet", user=["u", None, "w"], item=["a", "b", "c"], time=[1514862245.0, 1.0, None]
        )


def table(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_usual_names_need_no_map(write: Write) -> None:
    data, report = CSV().read(write("events.csv", *EVENTS))
    assert told(data) == [("u1", "a", "view", 1), ("u1", "b", "cart", 1), ("u2", "a", "purchase", 1)]
    assert data.log.events.times.tolist() == [1514862245, 1514862246, 1514862247]
    assert (report.read, report.kept) == (3, 3)


def test_every_column_can_be_named(write: Write) -> None:
    write(
        "goods.tsv",
        "sku\tname\tabout\tmaker\tshelf\tcost\tleft\tmodel\tsince\tcolour\tempty",
        "a\tRed &amp; big\t<p>Good.</p>\tAcme\tHome > Kitchen\t$12.99\t3\tm1\t2018-01-02\tred\t",
        "b\tBlue\t\t\t\t\t\t\t\t\t",
    )
    events = write("log.csv", "when;customer;sku;action;qty;place;no", "2018-01-02T03:04:05Z;c1;a;Purchase;2;4;e1",
                   "2018-01-02T03:04:06Z;c1;a;purchase;-1;;e2", "2018-01-02T03:04:06Z;c1;a;purchase;5;;e2")  # fmt: skip
    place = (
        f"{events}?time=when&user=customer&item=sku&kind=action&value=qty&position=place&event_id=no&items=goods.tsv"
        "&title=name&text=about&brand=maker&categories=shelf&price=cost&stock=left&parent=model&created=since"
    )
    data, report = CSV().read(place)
    assert told(data) == [("c1", "a", "purchase", 2), ("c1", "a", "return", 1)]
    assert data.log.events.positions.tolist() == [4, 0]
    assert data.log.events.ids == ("e1", "e2")
    assert item(data, "a") == Item(
        item_id="a", title="Red & big", text="Good.", brand="Acme", categories=("Home", "Kitchen"), price=12.99,
        stock=3, parent_id="m1", created=datetime(2018, 1, 2, tzinfo=UTC), attributes={"colour": "red"},
    )  # fmt: skip
    assert item(data, "b") == Item(item_id="b", title="Blue")
    assert report.reasons == {"negative quantity read as a return": 1, "event id seen before": 1}
    assert (report.read, report.kept, report.repaired) == (5, 4, 1)


def test_returns_take_back_the_purchase(write: Write) -> None:
    lines = ("user,item,kind,time,qty", "u,a,purchase,1,1", "u,a,purchase,2,-1", "u,b,purchase,3,1")
    data, _ = CSV().read(write("e.csv", *lines))
    assert data.log.events.weights.tolist() == [0, -1, 1]


def test_ratings_are_known_by_their_column(write: Write) -> None:
    data, report = CSV().read(write("e.csv", "userId,movieId,rating,timestamp", "1,10,4.5,5", "1,20,7,6"))
    assert told(data) == [("1", "10", "rating", 4.5)]
    assert report.samples == ("e.csv:3: rating is outside 0..5",)
    data, _ = CSV().read(write("f.csv", "user,item,stars", "1,10,7") + "?max_rating=10")
    assert told(data) == [("1", "10", "rating", 7)]
    data, _ = CSV().read(write("g.csv", "user,item,n", "1,10,7") + "?default_kind=purchase")
    assert told(data) == [("1", "10", "purchase", 1)]


def test_without_a_time_column_order_counts(write: Write) -> None:
    data, _ = CSV().read(write("e.csv", "user,item", "u,b", "u,a", "u,b"))
    assert data.info["has_times"] is False
    assert [i for _, i, _, _ in told(data)] == ["b", "a", "b"]


def test_bad_rows_are_dropped_by_cause_and_line(write: Write) -> None:
    rows = {
        "time is missing": "u,a,view,NaT,1",
        "time is outside 1970..2100": "u,a,view,-8,1",
        "user id is missing": ",a,view,1,1",
        "item id is missing": "u,nan,view,1,1",
        "kind is unknown": "u,a,teleport,1,1",
        "value is not a number": "u,a,view,1,lots",
        "value is beyond 1e+09": "u,a,view,1,1e30",
        "wrong number of columns": "u,a,view,1",
        "a quote is not closed": '"u,a,view,1,1',
        "line is too long": "u,a,view,1," + "1" * (1 << 20),
    }
    place = write("e.csv", "user,item,kind,time,value", "u,a,view,1,1", *rows.values(), 'u,"b",view,2,1')
    data, report = CSV().read(place)
    assert report.reasons == dict.fromkeys(rows, 1)
    for line, cause in enumerate(rows, 3):
        assert f"e.csv:{line}: {cause}" in report.samples
    assert told(data) == [("u", "a", "view", 1), ("u", "b", "view", 1)]


def test_quoted_cells_may_hold_line_ends_and_stray_quotes_cost_one_row(write: Write) -> None:
    events = write("e.csv", "user,item", "u,a", "u,b", "u,c", "u,d", "u,e")
    lines = ("id,name", 'a,"two', 'lines, ""quoted"""', 'b,"5" pipe', 'c,"stray', "d,fine", 'e,"last"', "")
    data, report = CSV().read(events + "?items=" + write("items.csv", *lines))
    titles = {i: item(data, i).title for i in "abcde"}
    assert titles == {"a": 'two lines, "quoted"', "b": "5 pipe", "c": "", "d": "fine", "e": "last"}
    assert report.samples == ("items.csv:5: a quote is not closed",)


def test_a_cell_beyond_the_limit_of_csv_is_one_broken_row(write: Write) -> None:
    place = write("e.csv", "user,item,note", "u,a,x", 'u,b,"' + "x" * 200_000 + '"', "u,c,x")
    data, report = CSV().read(place)
    assert [i for _, i, _, _ in told(data)] == ["a", "c"]
    assert report.samples == ("e.csv:3: a quote is not closed",)


def test_a_folder_stands_for_its_parts(write: Write, tmp_path: Path) -> None:
    write("log/part-0.csv", "user,item", "u,a")
    write("log/part-1.csv.gz", "item,user", "b,u")
    write("log/_SUCCESS", "")
    data, _ = CSV().read(str(tmp_path / "log"))
    assert [(u, i) for u, i, _, _ in told(data)] == [("u", "a"), ("u", "b")]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"holds no file that ends in \.csv"):
        CSV().read(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("header", "options", "cause"),
    [
        ("who,item", "", "which column is the user.*user=COLUMN"),
        ("user,item", "?item=sku", "no column 'sku' for item in the header"),
        ("user,item", "?default_kind=teleport", "default_kind must be one of interaction, view"),
        ("user,item", "?items=nothing.csv", "nothing.csv does not exist"),
    ],
)
def test_wrong_maps_are_refused(write: Write, header: str, options: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        CSV().read(write("e.csv", header, "u,a") + options)


def test_empty_files_and_unknown_options_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="is empty: the first line should name the columns"):
        CSV().read(write("e.csv", end=b""))
    with pytest.raises(ConfigError, match="colour"):
        CSV().read(write("e.csv", "user,item", "u,a") + "?colour=red")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.text(alphabet='",\n\ru1 ;', max_size=30).map(str.encode)), max_size=8)
)
def test_dirt_between_good_rows_never_ends_the_run(tmp_path: Path, dirt: list[bytes]) -> None:
    lines = [b"user,item,kind,time", b"first,a,view,1", *dirt, b"last,b,view,2"]
    (tmp_path / "e.csv").write_bytes(b"\n".join(lines))
    data, report = CSV().read(str(tmp_path / "e.csv"))
    assert report.read == report.kept + report.dropped
    assert report.repaired <= report.kept
    assert {"first", "last"} <= set(data.log.users)


def test_parquet_types(tmp_path: Path) -> None:
    times = pa.array([1514862245123456789, None, 1514862246000000000], type=pa.timestamp("ns"))
    events = table(
        tmp_path / "events.parquet", customer=[7, 8, 9], sku=pa.array(["a", "b", "b"]).dictionary_encode(),
        at=times, action=["view", "view", "cart"],
    )  # fmt: skip
    table(
        tmp_path / "items.parquet", sku=["a", "b"], title=["One", None], price=[Decimal("9.99"), None],
        categories=[["x", "y"], None], created=pa.array([17533, None], type=pa.date32()), sizes=[["S", "M"], []],
        weight=[1.5, float("nan")], new=[True, None],
    )  # fmt: skip
    place = f"{events}?user=customer&item=sku&time=at&kind=action&items=items.parquet"
    data, report = Parquet().read(place)
    assert told(data) == [("7", "a", "view", 1), ("9", "b", "cart", 1)]
    assert data.log.events.times.tolist() == [1514862245, 1514862246]
    assert report.samples == ("events.parquet:2: time is missing",)
    one = item(data, "a")
    assert (one.title, one.price, one.categories) == ("One", 9.99, ("x", "y"))
    assert one.created == datetime(2018, 1, 2, tzinfo=UTC)
    assert one.attributes == {"sizes": ("S", "M"), "weight": 1.5, "new": True}
    assert item(data, "b") == Item(item_id="b")


def test_parquet_in_many_batches_and_parts(tmp_path: Path) -> None:
    n = 70_000
    (tmp_path / "parts").mkdir()
    for part in range(2):
        table(
            tmp_path / "parts" / f"part-{part}.parquet",
            user=[f"u{i % 500}" for i in range(n)], item=[f"i{i % 300}" for i in range(n)],
            time=[1_500_000_000 + part * n + i for i in range(n)],
        )  # fmt: skip
    data, report = Parquet().read(str(tmp_path / "parts"))
    assert len(data.log) == report.kept == 2 * n
    assert (data.log.n_users, len(data.items)) == (500, 300)


def test_damaged_parquet_keeps_what_comes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.parquet"
    columns = {"user": [f"u{i}" for i in range(50_000)], "item": [f"i{i * 7919 % 50_000}" for i in range(50_000)]}
    pq.write_table(pa.table(columns), path, row_group_size=10_000, use_dictionary=False, compression="gzip")
    raw = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(3).column(0).data_page_offset
    raw[start : start + 2000] = b"\xff" * 2000
    path.write_bytes(bytes(raw))
    # Row groups are smaller than a batch, so the first batch holds the damage and nothing is left.
    with pytest.raises(DataError, match="Parquet is damaged: the rest is lost: 1"):
        Parquet().read(str(path))
    monkeypatch.setattr("recsys.data.parquet_rows._BATCH", 10_000)
    data, report = Parquet().read(str(path))
    assert len(data.log) == 30_000
    assert report.reasons == {"Parquet is damaged: the rest is lost": 1}
    assert report.samples == ("e.parquet:30001: Parquet is damaged: the rest is lost",)


def test_wrong_parquet_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a Parquet file"):
        Parquet().read(write("e.parquet", "user,item"))
    with pytest.raises(DataError, match="does not exist"):
        Parquet().read(str(tmp_path / "no.parquet"))
