from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.source import available
from recsys.data.xrec import INFO_KEY, Pair, XRec, part_of
from recsys.data.xrec.pairs import leaking
from recsys.data.xrec.reader import HELD_OUT, LEAKS, TWICE
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests

USERS = range(60)
N_ITEMS = 40


def record(user: object, item: object, prediction: str | None = "It is said to be good.", **more: object) -> dict:
    return {
        "user": user, "item": item, "title": f"Place {item}", "user_summary": f"Likes <b>soup</b>, as {user} does.",
        "item_summary": f"Known for soup {item}.", "explanation": f"The user would enjoy soup {item}.",
        "xrec_prediction": prediction, **more,
    }  # fmt: skip


def written(folder: Path, *more: str, parts: tuple[str, ...] = ("trn", "val", "tst")) -> Path:
    """Sixty shoppers with two explained items each, none of them shared, and a few interactions."""
    folder.mkdir(parents=True)
    lines = [json.dumps(record(u, 2 * u + k, "It is said." if u % 2 else None)) for u in USERS for k in (0, 1)]
    (folder / "test.jsonl.gz").write_bytes(gzip.compress("\n".join([*lines, *more]).encode()))
    for at, part in enumerate(parts):
        rows = [f"{u},{2 * u + at}" for u in USERS] + [f"{u},{200 + u}" for u in USERS]
        (folder / f"interactions_{part}.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    return folder


class TestXRec(ReaderTests):
    @pytest.fixture
    def component(self) -> type[XRec]:
        return XRec

    @pytest.fixture
    def place(self, tmp_path) -> str:
        return str(written(tmp_path / "clean"))

    @pytest.fixture
    def dirty(self, tmp_path) -> str:
        return str(written(tmp_path / "dirty", "no json", json.dumps(record(None, 3))))


def test_all_pairs_of_a_shopper_are_in_one_part(tmp_path):
    data, report = XRec().read(str(written(tmp_path / "yelp")))
    pairs = data.info[INFO_KEY]
    assert data.name == "xrec:yelp"
    assert len(pairs) == 120
    assert all(p.part == part_of(p.user) for p in pairs)
    parts = {u: {p.part for p in pairs if p.user == u} for u in {p.user for p in pairs}}
    assert all(len(found) == 1 for found in parts.values())
    assert {p.part for p in pairs} == {"train", "valid", "test"}
    assert report.reasons[HELD_OUT] > 0


def test_published_texts_stay_with_their_own_rows(tmp_path):
    pairs = XRec().read(str(written(tmp_path / "x", json.dumps(record(70, 150, "  ")))))[0].info[INFO_KEY]
    assert all((p.published is not None) == (int(p.user) % 2 == 1) for p in pairs)
    assert pairs[0].inputs == ("Place 0", "Likes soup, as 0 does.", "Known for soup 0.")


def test_held_out_pairs_are_no_interactions(tmp_path):
    data, report = XRec().read(str(written(tmp_path / "x")))
    held_out = {(p.user, p.item) for p in data.info[INFO_KEY] if p.part != "train"}
    ids = data.items.ids
    seen = {
        (u, ids[row]) for at, u in enumerate(data.log.users) for row in data.log.history(at).rows.tolist()
    }  # fmt: skip
    assert not seen & held_out
    assert any(p.part == "train" and (p.user, p.item) in seen for p in data.info[INFO_KEY])
    assert report.reasons[HELD_OUT] == len(held_out)
    titled = dict(zip(data.items.ids, data.items.titles, strict=True))
    assert titled["0"] == "Place 0"
    assert titled["200"] == ""


def test_an_item_is_explained_in_one_part_alone(tmp_path):
    known = {part: next(str(u) for u in range(1000, 2000) if part_of(str(u)) == part) for part in ("train", "valid")}
    tested = next(u for u in USERS if part_of(str(u)) == "test")
    checked = next(u for u in USERS if part_of(str(u)) == "valid")
    more = [
        record(known["train"], 2 * tested), record(known["train"], 2 * checked), record(known["valid"], 2 * tested),
        record(known["train"], 190), record(0, 0),
    ]  # fmt: skip
    data, report = XRec().read(str(written(tmp_path / "x", *map(json.dumps, more))))
    assert report.reasons[LEAKS] == 3
    assert report.reasons[TWICE] == 1
    assert [p.item for p in data.info[INFO_KEY] if p.user in known.values()] == ["190"]
    items = {part: {p.item for p in data.info[INFO_KEY] if p.part == part} for part in ("train", "valid", "test")}
    assert not items["train"] & (items["valid"] | items["test"])
    assert not items["valid"] & items["test"]


def test_times_are_read_where_there_are_some(tmp_path):
    folder = written(tmp_path / "amazon", parts=())
    (folder / "interactions_val.csv").write_text(
        'user,item,Time\n3,107,"12 5, 2015"\n3,109,"01 07, 2015"\n3,108,later\n'
    )
    data, report = XRec().read(str(folder))
    assert data.info["has_times"]
    assert [data.items.ids[r] for r in data.log.history(0).rows] == ["109", "107"]
    assert report.reasons["time is neither a number nor an ISO 8601 date"] == 1


def test_what_is_missing_is_named(tmp_path):
    folder = written(tmp_path / "x", parts=())
    with pytest.raises(DataError, match=r"interactions_trn\.csv"):
        XRec().read(str(folder))
    (folder / "interactions_trn.csv").write_text("item,user\n1,2\n")
    with pytest.raises(DataError, match="user,item"):
        XRec().read(str(folder))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=60))
def test_nothing_is_left_that_tells_of_a_later_part(drawn):
    pairs = [Pair(str(u), str(i), "t", "u", "i", "e", None, part_of(str(u))) for u, i in drawn]
    gone = set(leaking(pairs))
    kept = [p for i, p in enumerate(pairs) if i not in gone]
    assert [p for p in kept if p.part == "test"] == [p for p in pairs if p.part == "test"]
    items = {part: {p.item for p in kept if p.part == part} for part in ("train", "valid", "test")}
    assert not items["train"] & items["test"]
    assert not items["train"] & items["valid"]
    assert not items["valid"] & items["test"]


# explained pairs by part, published test texts, leaking pairs, held-out interactions
COUNTS = {
    "amazon": ({"train": 1623, "valid": 264, "test": 857}, 857, 256, 224),
    "google": ({"train": 1557, "valid": 290, "test": 860}, 860, 293, 1150),
    "yelp": ({"train": 1569, "valid": 280, "test": 838}, 420, 313, 1118),
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", list(COUNTS))
def test_counts_of_the_published_explanations(data_folder, name):
    data, report = XRec().read(str(data_folder / "xrec" / name))
    pairs = data.info[INFO_KEY]
    published = sum(p.published is not None for p in pairs if p.part == "test")
    found = Counter(p.part for p in pairs), published, report.reasons[LEAKS], report.reasons[HELD_OUT]
    assert found == COUNTS[name]
    assert report.repaired == 0
    assert set(report.reasons) == {LEAKS, HELD_OUT}


def test_domains_that_are_there_are_listed(tmp_path):
    written(tmp_path / "xrec" / "yelp")
    assert "xrec:yelp" in available(tmp_path)
