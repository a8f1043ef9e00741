from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.data.movielens import MovieLens
from recsys.errors import DataError
from recsys.testing.kits import ReaderTests

Write = Callable[..., str]
RATINGS = ("userId,movieId,rating,timestamp", "1,10,4.0,964982703", "1,20,0.5,964981247", "2,10,5.0,964982224")


class TestMovieLens(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], MovieLens]:
        return MovieLens

    @pytest.fixture
    def place(self, write: Write) -> str:
        return str(Path(write("ml/ratings.csv", *RATINGS)).parent)

    @pytest.fixture
    def dirty(self, write: Write) -> str:
        lines = (*RATINGS, "1,30,9.5,964982703", "1,30,4.0", "1,40,4.0,NaN", "x,,3,964982703", '"unclosed,1,2,3')
        return str(Path(write("dirty/ratings.csv", *lines)).parent)


def test_latest_files_with_tags(write: Write) -> None:
    write("ml/ratings.csv.gz", *RATINGS, end=b"\r\n")
    movies = ('10,"Quiet Field, The (1994)",Drama|Sci-Fi', "20,Untitled,(no genres listed)", "30,Unseen (2001),Comedy")
    write("ml/movies.csv.gz", "movieId,title,genres", *movies, end=b"\r\n")
    tags = ("1,10,Slow,1", "2,10,slow,2", "2,10,farm,3", "2,10, ,4", "2,99,lost,5")
    folder = Path(write("ml/tags.csv", "userId,movieId,tag,timestamp", *tags)).parent
    data, report = MovieLens().read(str(folder))
    film = data.items.item(data.items.vocabulary.row("10"))
    assert (film.title, film.categories) == ("Quiet Field, The (1994)", ("Drama", "Sci-Fi"))
    assert film.attributes == {"year": "1994", "tags": ("slow", "farm")}
    assert data.items.item(data.items.vocabulary.row("20")).categories == ()
    assert len(data.items) == 3
    assert len(MovieLens().read(f"{folder}?unused_items=drop")[0].items) == 2
    assert data.log.events.values.tolist() == [0.5, 4.0, 5.0]
    assert (report.read, report.kept, report.dropped) == (11, 9, 2)
    assert report.samples == ("tags.csv:5: tag is missing", "tags.csv:6: tag of a movie that is not listed")


def test_1m_files_are_latin_1(write: Write) -> None:
    write("ml-1m/movies.dat", "7::Am\u00e9lie (2001)::Comedy|Romance".encode("latin-1"), "8::Déjà vu (2006)::Thriller")
    write("ml-1m/users.dat", "1::F::1::10::48067")
    folder = Path(
        write("ml-1m/ratings.dat", "1::7::5::978300760", "1::8::3::978302109", "broken", "2::7::4::978301968")
    ).parent
    data, report = MovieLens().read(str(folder))
    assert sorted(data.items.titles) == ["Amélie (2001)", "Déjà vu (2006)"]
    assert report.samples == ("ratings.dat:3: wrong number of columns",)
    assert (report.repaired, report.kept) == (0, 5)


def test_wrong_places(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no ratings\.csv or ratings\.dat"):
        MovieLens().read(str(tmp_path))
    with pytest.raises(DataError, match="one folder"):
        MovieLens().read("a,b")
    bad = Path(write("bad/ratings.csv", "user,movieId,rating,timestamp", "1,2,3,4")).parent
    with pytest.raises(DataError, match="no column userId"):
        MovieLens().read(str(bad))


@pytest.mark.realdata
def test_latest_small_as_published(data_folder: Path) -> None:
    data, report = MovieLens().read(str(data_folder / "ml-latest-small"))
    assert (data.log.n_users, len(data.items), len(data.log)) == (610, 9742, 100_836)
    assert (report.read, report.kept, report.dropped) == (100_836 + 9742 + 3683, 100_836 + 9742 + 3683, 0)
    assert data.info["bare_items"] == 0
    assert all(data.items.titles)
    assert sum("tags" in a for a in data.items.attributes) == 1572
    core, _ = MovieLens().read(f"{data_folder / 'ml-latest-small'}?user_core=20&item_core=20&unused_items=drop")
    assert len(core.items) < 1400
