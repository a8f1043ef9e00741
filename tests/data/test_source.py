from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from recsys.data.source import SHORT_NAMES, available, open_data
from recsys.dataset import Dataset
from recsys.errors import DataError, UnknownPlugin
from recsys.protocols import DropReport
from recsys.registry import Registry

REVIEW = json.dumps({"reviewerID": "U", "asin": "A", "overall": 5, "unixReviewTime": 1_400_000_000})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two of the public sets in small, named by RECSYS_DATA; the process stands elsewhere."""
    root, elsewhere = tmp_path / "sets", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, text in (
        ("amazon_reviews/All_Beauty_5.json.gz", REVIEW),
        ("s3rec/tiny/sequences.txt.gz", "1 1 2 3 4 5\n2 2 1 3 5 4\n"),
        ("logs/events.csv", "user,item\nu,a\n"),
    ):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    monkeypatch.setenv("RECSYS_DATA", str(root))
    monkeypatch.chdir(elsewhere)
    return root


@pytest.mark.parametrize(
    ("text", "name", "events"),
    [
        ("all-beauty", "amazon:All_Beauty_5", 1),
        ("amazon:all-beauty", "amazon:All_Beauty_5", 1),
        ("amazon:all-beauty?duplicates=keep", "amazon:All_Beauty_5", 1),
        ("amazon:amazon_reviews/All_Beauty_5.json.gz", "amazon:All_Beauty_5", 1),
        ("s3rec:tiny", "s3rec:tiny", 10),
        (" s3rec:tiny ", "s3rec:tiny", 10),
        ("csv:logs/events.csv?default_kind=view", "csv:events", 1),
    ],
)
def test_names_resolve_inside_the_data_folder(folder: Path, text: str, name: str, events: int) -> None:
    data, report = open_data(text)
    assert data.name == name
    assert len(data.log) == events
    assert report.read == report.kept + report.dropped


def test_a_path_is_taken_as_written_first(folder: Path) -> None:
    Path("tiny").mkdir()
    Path("tiny/sequences.txt").write_text("9 1 2 3\n")
    assert open_data("s3rec:tiny")[0].log.users == ("9",)
    assert len(open_data(f"s3rec:{folder / 's3rec' / 'tiny'}")[0].log) == 10


def test_the_default_folder_is_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_DATA")
    (Path("data") / "s3rec" / "here").mkdir(parents=True)
    Path("data/s3rec/here/sequences.txt").write_text("1 1 2 3\n")
    assert len(open_data("s3rec:here")[0].log) == 3


def test_several_files_resolve_one_by_one(folder: Path) -> None:
    Path("meta.json").write_text('{"asin": "A", "title": "Here"}\n')
    data, _ = open_data("amazon:amazon_reviews/All_Beauty_5.json.gz, meta.json")
    assert data.items.titles == ["Here"]


def test_an_unknown_name_lists_what_exists(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"'all-beaty': did you mean 'all-beauty'\?.*all-beauty, s3rec:tiny, shop"
    ) as error:
        open_data("all-beaty")
    assert "gift-cards" not in str(error.value)
    with pytest.raises(DataError, match=r"no data set named ''\."):
        open_data("")


def test_a_bare_path_is_told_to_name_its_reader(folder: Path) -> None:
    Path("x.csv").write_text("user,item\n")
    with pytest.raises(DataError, match=r"'x\.csv' is a path: put the name of its reader in front.*csv:x\.csv"):
        open_data("x.csv")


def test_an_unknown_reader_lists_the_readers(folder: Path) -> None:
    with pytest.raises(UnknownPlugin, match=r"no readers named 'amazn'; did you mean 'amazon'.*movielens"):
        open_data("amazn:x.json")


def test_a_missing_file_says_what_to_do(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no\.json does not exist: check the path, or download"):
        open_data("amazon:no.json")
    with pytest.raises(DataError, match="Gift_Cards_5"):
        open_data("gift-cards")


def test_readers_of_this_process_work_too(folder: Path) -> None:
    class Fixed:
        class Config:
            pass

        @classmethod
        def from_config(cls, config: Any, deps: Any) -> Fixed:
            return cls()

        def read(self, place: str) -> tuple[Dataset, DropReport]:
            return Dataset.of([], [], name=place), DropReport()

    registry = Registry()
    registry.register("readers", "fixed", Fixed)
    assert open_data("fixed:some,where?x=1", registry)[0].name == "some,where?x=1"
    assert open_data("fixed:", registry)[0].name == ""


def test_available_without_a_folder() -> None:
    assert available(Path("no-such-folder")) == ["shop"]


def test_every_short_name_has_a_reader() -> None:
    installed = {p.name for p in Registry().plugins() if p.kind == "readers"}
    assert {reader for reader, _ in SHORT_NAMES.values()} <= installed


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "events"),
    [("ml-latest-small", 100_836), ("musical-instruments", 10_261), ("gift-cards", 2969), ("all-beauty", 4161),
     ("s3rec:beauty", 198_502), ("ml-1m-sequences", 835_789)],
)  # fmt: skip
def test_public_sets_by_short_name(data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, events: int) -> None:
    monkeypatch.setenv("RECSYS_DATA", str(data_folder))
    assert len(open_data(name)[0].log) == events
    assert name in available(data_folder)
