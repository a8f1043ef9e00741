from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.store.dump import dump, restore
from recsys.store.edits import Edit
from recsys.store.memory import MemoryStore
from recsys.types import KINDS, Event, Item, Review, Search

PARTS = ("items", "events", "reviews", "searches", "edits")


COUNTS = {"items": 3, "events": 4, "reviews": 2, "searches": 2, "edits": 3}


def assert_same_table(got: ItemTable, expected: ItemTable) -> None:
    assert got.ids == expected.ids
    for name in ("titles", "texts", "brands", "categories", "parents"):
        assert getattr(got, name) == getattr(expected, name)
    for name in ("available", "prices", "stock", "created"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)
    assert [repr(dict(a)) for a in got.attributes] == [repr(dict(a)) for a in expected.attributes]


def assert_same_store(got: MemoryStore, expected: MemoryStore) -> None:
    assert_same_table(got.items(), expected.items())
    assert got.reviews() == expected.reviews()
    a, b = got.log(), expected.log()
    assert a.users == b.users
    for name in ("rows", "times", "kinds", "values", "weights", "positions"):
        np.testing.assert_array_equal(getattr(a.events, name), getattr(b.events, name), err_msg=name)
    assert got.searches.by_user() == expected.searches.by_user()
    assert list(got.edits) == list(expected.edits)
    assert (a.events.ids or ("",) * len(a)) == (b.events.ids or ("",) * len(b))


def rich_store() -> MemoryStore:
    store = MemoryStore()
    odd = {"size": "XL", "waterproof": True, "kg": 0.1, "colours": ("red", "blue"), "watts": 5, "note": None,
           "ratio": float("nan"), "gain": float("-inf")}  # fmt: skip
    store.put_items(
        [
            Item(item_id="plain"),
            Item(item_id="rich", title='Ünïcode "quoted"\n', text="\ud83d half a pair", brand="B", price=9.99, stock=0,
                 categories=("Food", "Tea"), parent_id="plain", created=datetime(2024, 2, 29, 12, tzinfo=UTC),
                 attributes=odd),
            Item(item_id="gone", price=0.1, stock=7),
        ]
    )  # fmt: skip
    store.withdraw(["gone"])
    store.put_events(
        [
            Event(user_id="zoe", item_id="rich", kind="rating", value=4.1, time=50, event_id="e1", position=3),
            Event(user_id="ann", item_id="gone", kind="purchase", value=2, time=-5),
            Event(user_id="zoe", item_id="plain", kind="return", time=40),
            Event(user_id="zoe", item_id="rich", kind="view", time=50),
        ]
    )
    store.put_reviews(
        [
            Review(user_id="zoe", item_id="rich", text="good tea", summary="!", rating=4.5, time=60, review_id="r1"),
            Review(user_id="bob", item_id="gone", text=""),
        ]
    )
    store.searches.put(
        [
            Search(user_id="zoe", text="red  tea", time=70, chosen=("rich", "elsewhere"), search_id="s1"),
            Search(user_id="bob", text="&amp;lt;b&gt;", time=5),
        ]
    )
    store.edits.edit("zoe", "brand:b", "I like B.")
    store.edits.hide("zoe", "price:range")
    store.edits.edit("bob", "brand:b", "&amp;lt;i&gt; B")
    return store


def place_of(folder: Path, single: bool) -> Path:
    return folder / ("backup.jsonl.gz" if single else "backup")


def lines_of(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def rewrite(path: Path, lines: list[str]) -> None:
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))


@pytest.mark.parametrize("single", [True, False])
def test_round_trip_is_exact(tmp_path: Path, single: bool) -> None:
    store, place = rich_store(), place_of(tmp_path / "new", single)
    assert dump(store, place) == COUNTS
    fresh = MemoryStore()
    assert restore(fresh, place) == COUNTS
    assert_same_store(fresh, store)
    assert [p.name for p in place.parent.iterdir()] == [place.name]
    # Event ids are known again, so what is delivered twice still counts once.
    assert fresh.put_events([Event(user_id="zoe", item_id="rich", time=50, event_id="e1")]) == 0


def test_round_trip_of_a_shop(tmp_path: Path, small_shop: Dataset) -> None:
    store = MemoryStore.of(small_shop)
    dump(store, tmp_path / "shop")
    fresh = MemoryStore()
    restore(fresh, tmp_path / "shop")
    assert_same_store(fresh, store)


TEXT = st.text(max_size=8)
IDS = st.text(min_size=1, max_size=8)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-5, 5), st.floats(), st.lists(TEXT, max_size=2).map(tuple))


@st.composite
def stores(draw: st.DrawFn) -> MemoryStore:
    store = MemoryStore()
    item_ids = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    floats = st.floats(0, 1e9, width=32)
    store.put_items(
        [
            Item(item_id=i, title=draw(TEXT), price=draw(st.none() | floats), stock=draw(st.none() | st.integers(0, 9)),
                 categories=tuple(draw(st.lists(TEXT, max_size=2))), attributes=draw(st.dictionaries(TEXT, VALUES)))
            for i in item_ids
        ]
    )  # fmt: skip
    item, finite = st.sampled_from(item_ids), st.floats(allow_nan=False, allow_infinity=False, width=32)
    event = st.builds(
        Event, user_id=IDS, item_id=item, kind=st.sampled_from(KINDS), value=finite, time=st.integers(0, 2**33),
        event_id=st.none() | IDS, position=st.none() | st.integers(1, 99),
    )  # fmt: skip
    store.put_events(draw(st.lists(event, max_size=6)))
    review = st.builds(Review, user_id=IDS, item_id=item, text=TEXT, summary=TEXT, rating=st.none() | finite,
                       time=st.none() | st.integers(0, 2**33), review_id=st.none() | IDS)  # fmt: skip
    store.put_reviews(draw(st.lists(review, max_size=3)))
    store.withdraw(draw(st.lists(item, max_size=1)))
    search = st.builds(Search, user_id=IDS.filter(str.strip), text=st.text(min_size=1, max_size=20).filter(str.strip),
                       time=st.none() | st.integers(0, 2**33), chosen=st.lists(IDS, max_size=3).map(tuple),
                       search_id=st.none() | IDS)  # fmt: skip
    store.searches.put(draw(st.lists(search, max_size=4)))
    edit = st.builds(Edit, user_id=IDS, line_id=IDS, text=st.none() | st.text(min_size=1, max_size=20))
    store.edits.put(draw(st.lists(edit, max_size=3)))
    return store


@given(store=stores(), single=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_store_comes_back(tmp_path_factory: pytest.TempPathFactory, store: MemoryStore, single: bool) -> None:
    place = place_of(tmp_path_factory.mktemp("dump"), single)
    dump(store, place)
    fresh = MemoryStore()
    restore(fresh, place)
    assert_same_store(fresh, store)


def test_what_the_lines_say(tmp_path: Path) -> None:
    dump(rich_store(), tmp_path / "backup")
    head, *records, end = [json.loads(line) for line in lines_of(tmp_path / "backup" / "events.jsonl.gz")]
    created = head.pop("created")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds() < 60
    assert head == {"format": "recsys-store", "format_version": 2, "part": "events"}
    assert end == {"end": "events", "lines": 4}
    assert records[0] == {"user_id": "zoe", "item_id": "plain", "kind": "return", "time": 40}
    assert records[1]["value"] == 4.1
    items = lines_of(tmp_path / "backup" / "items.jsonl.gz")
    assert '"price":9.99' in items[2]


@pytest.mark.parametrize("single", [True, False])
def test_a_dump_is_for_its_owner_alone(tmp_path: Path, single: bool) -> None:
    place = place_of(tmp_path, single)
    dump(rich_store(), place)
    for path in (place, *(place.iterdir() if place.is_dir() else ())):
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_is_replaced_and_a_folder_is_not(tmp_path: Path) -> None:
    store = rich_store()
    for place in (place_of(tmp_path, True), place_of(tmp_path, False)):
        dump(store, place)
    store.erase("zoe")
    assert dump(store, place_of(tmp_path, True))["events"] == 1
    with pytest.raises(DataError, match="not empty"):
        dump(store, place_of(tmp_path, False))
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="not empty"):
        dump(store, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    dump(store, tmp_path / "empty")
    fresh = MemoryStore()
    assert restore(fresh, place_of(tmp_path, True))["events"] == 1


def test_a_dump_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    store, place = rich_store(), place_of(tmp_path, True)
    dump(store, place)
    before = place.read_bytes()
    store.put_items([Item(item_id="bad", attributes={"x": {1, 2}})])  # type: ignore[dict-item]
    with pytest.raises(DataError, match=r"'bad'.* cannot be written as JSON"):
        dump(store, place)
    assert place.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [place.name]


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_dump import rich_store
from recsys.store.dump import dump
store = rich_store()
print("ready", flush=True)
while True:
    dump(store, Path(sys.argv[2]))
"""


def test_kill_leaves_a_complete_dump(tmp_path: Path) -> None:
    place = place_of(tmp_path, True)
    dump(rich_store(), place)
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(20):
            restore(MemoryStore(), place)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    fresh = MemoryStore()
    restore(fresh, place)
    assert_same_store(fresh, rich_store())


def test_only_an_empty_store_is_filled(tmp_path: Path) -> None:
    dump(rich_store(), tmp_path / "backup")
    store = MemoryStore()
    store.put_items([Item(item_id="mine")])
    with pytest.raises(DataError, match="empty store"):
        restore(store, tmp_path / "backup")
    store = MemoryStore()
    store.searches.put([Search(user_id="zoe", text="tea")])
    with pytest.raises(DataError, match="empty store"):
        restore(store, tmp_path / "backup")
    with pytest.raises(DataError, match="no dump at"):
        restore(MemoryStore(), tmp_path / "absent")


def changed(line: str, **values: Any) -> str:
    return json.dumps(json.loads(line) | values)


Damage = Callable[[list[str]], list[str]]


@pytest.mark.parametrize(
    ("part", "damage", "message"),
    [
        ("events", lambda s: [s[0], s[1], s[2][:-4], *s[3:]], r"events\.jsonl\.gz:3: not JSON"),
        ("events", lambda s: [s[0], s[1], "[" * 100_000, *s[3:]], r"events\.jsonl\.gz:3: not JSON"),
        ("events", lambda s: [s[0], "[]", *s[2:]], r"events\.jsonl\.gz:2: expected a JSON object, got list"),
        ("events", lambda s: [s[0], changed(s[1], item_id="nowhere"), *s[2:]], r":2: unknown item_id 'nowhere'"),
        ("events", lambda s: [s[0], changed(s[1], kind="buy"), *s[2:]], r":2: .*kind must be one of"),
        ("events", lambda s: [s[0], changed(s[1], value="much"), *s[2:]], r":2: value: "),
        ("events", lambda s: [s[0], changed(s[1], colour=1), *s[2:]], r":2: unknown field 'colour'"),
        ("events", lambda s: [*s[:2], s[2], s[2], *s[3:]], r":4: event_id 'e1' occurs twice"),
        ("events", lambda s: [s[0], *s[2:]], r":5: expected the end of events after 3 lines"),
        ("events", lambda s: s[:-1], "incomplete: it has no end of events"),
        ("events", lambda s: [], "incomplete: it has no end of events"),
        ("events", lambda s: s[1:], r":1: no dump of a recsys store begins here"),
        ("events", lambda s: [changed(s[0], format="x"), *s[1:]], r":1: no dump of a recsys store begins here"),
        ("events", lambda s: [changed(s[0], format_version=3), *s[1:]], r":1: dump format 3, .* up to 2"),
        ("events", lambda s: [changed(s[0], format_version=None), *s[1:]], r":1: dump format None"),
        ("events", lambda s: [changed(s[0], part="secrets"), *s[1:]], r":1: unknown part 'secrets'"),
        ("items", lambda s: [s[0], s[1], s[1], *s[2:]], r"items\.jsonl\.gz:3: item_id 'plain' occurs twice"),
        ("items", lambda s: [s[0], changed(s[1], available="no"), *s[2:]], r":2: available must be true or false"),
        ("items", lambda s: [s[0], changed(s[1], attributes=[]), *s[2:]], r":2: available must be .* an object"),
        ("items", lambda s: [s[0], changed(s[1], price=-1), *s[2:]], r":2: .*price must be finite and not negative"),
        (
            "searches",
            lambda s: [s[0], changed(s[1], time=10**15), *s[2:]],
            r"\.gz:2: .*not epoch seconds",
        ),
        ("searches", lambda s: [s[0], s[1], s[1], *s[2:]], r":3: search_id 's1' occurs twice"),
        ("edits", lambda s: [s[0], s[1], s[1], *s[2:]], r"edits\.jsonl\.gz:3: line_id 'zoe/brand:b' occurs twice"),
        ("edits", lambda s: [s[0], changed(s[1], text="x" * 999), *s[2:]], r":2: .*1 to 160 characters"),
        ("reviews", lambda s: [s[0], changed(s[1], text=None), *s[2:]], r":2: text: "),
        ("reviews", lambda s: [s[0], changed(s[1], item_id="x"), *s[2:]], r"reviews\.jsonl\.gz:2: unknown item_id 'x'"),
    ],
)
def test_damaged_lines_are_named_and_nothing_is_restored(
    tmp_path: Path, part: str, damage: Damage, message: str
) -> None:
    dump(rich_store(), tmp_path / "backup")
    path = tmp_path / "backup" / f"{part}.jsonl.gz"
    rewrite(path, damage(lines_of(path)))
    store = MemoryStore()
    with pytest.raises(DataError, match=message):
        restore(store, tmp_path / "backup")
    assert len(store.items()) == len(store.log()) == len(store.reviews()) == len(store.searches) == 0
    assert len(store.edits) == 0


@pytest.mark.parametrize("single", [True, False])
def test_a_dump_of_version_1_has_no_searches(tmp_path: Path, single: bool) -> None:
    place = place_of(tmp_path, False)
    dump(rich_store(), place)
    old = [
        line.replace('"format_version":2', '"format_version":1')
        for part in PARTS[:3]
        for line in lines_of(place / f"{part}.jsonl.gz")
    ]
    if single:
        place = place_of(tmp_path, True)
        rewrite(place, old)
    else:
        for part in PARTS[3:]:
            (place / f"{part}.jsonl.gz").unlink()
        for part in PARTS[:3]:
            path = place / f"{part}.jsonl.gz"
            rewrite(path, [line.replace('"format_version":2', '"format_version":1') for line in lines_of(path)])
    fresh = MemoryStore()
    assert restore(fresh, place) == COUNTS | {"searches": 0, "edits": 0}
    assert fresh.reviews() == rich_store().reviews()
    assert len(fresh.searches) == len(fresh.edits) == 0


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_an_error(tmp_path: Path, part: str) -> None:
    dump(rich_store(), tmp_path / "backup")
    (tmp_path / "backup" / f"{part}.jsonl.gz").unlink()
    with pytest.raises(DataError, match=f"{part}.*missing"):
        restore(MemoryStore(), tmp_path / "backup")


def test_a_file_that_was_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    place = place_of(tmp_path, True)
    dump(rich_store(), place)
    content = place.read_bytes()
    for cut in range(0, len(content), 7):
        place.write_bytes(content[:cut])
        with pytest.raises(DataError, match=r"cut off|incomplete|not JSON"):
            restore(MemoryStore(), place)
    place.write_bytes(content[:40] + b"\xff\xff\xff" + content[43:])
    with pytest.raises(DataError, match=r"backup\.jsonl\.gz:\d+: "):
        restore(MemoryStore(), place)
    place.write_text("plain text")
    with pytest.raises(DataError, match=r":1: the file is damaged"):
        restore(MemoryStore(), place)


def test_more_events_than_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_shop: Dataset) -> None:
    monkeypatch.setattr("recsys.store.dump.BATCH", 7)
    store = MemoryStore.of(small_shop)
    dump(store, tmp_path / "shop")
    fresh = MemoryStore()
    restore(fresh, tmp_path / "shop")
    assert_same_store(fresh, store)


def test_values_that_json_lacks_are_refused(tmp_path: Path) -> None:
    data = rich_store().dataset()
    values = data.log.events.values.copy()
    values[0] = np.nan
    log = EventLog(replace(data.log.events, values=values), data.log.offsets, data.log.users)
    with pytest.raises(DataError, match=r"events: .* cannot be written"):
        dump(MemoryStore.of(data.with_log(log)), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
