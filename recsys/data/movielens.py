"""MovieLens (Harper and Konstan 2015): 1M and 10M ``.dat`` files, 20M to 32M and latest CSV files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from recsys.data.builder import DatasetBuilder
from recsys.data.csv_rows import WRONG_WIDTH, csv_rows, first_row
from recsys.data.fields import identifier, rating, seconds
from recsys.data.lines import read_lines
from recsys.data.reader import FileReader, ReaderConfig, find_file, need_file, take_each
from recsys.data.report import SAMPLES_PER_REASON, Tally
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item

UNKNOWN_MOVIE = "tag of a movie that is not listed"
MAX_TAGS = 20
_YEAR = re.compile(r"\((\d{4})\)\s*$")
_NO_GENRES = "(no genres listed)"
# The columns of the .dat files, which have no header, under the names of the CSV files.
_DAT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ratings": ("userId", "movieId", "rating", "timestamp"),
    "movies": ("movieId", "title", "genres"),
    "tags": ("userId", "movieId", "tag", "timestamp"),
}


class MovieLens(FileReader[ReaderConfig]):
    """Reads the folder of the published files, plain or gzip: ratings, and movies and tags where they are.

    Each rating is an event of kind "rating"; genres are categories, the year and the most frequent tags are
    attributes. Files about users and links are not read.
    """

    name = "movielens"
    Config = ReaderConfig

    def collect(self, paths: list[Path], config: ReaderConfig, builder: DatasetBuilder) -> None:
        """Read ratings, tags and movies."""
        if len(paths) > 1:
            raise DataError(f"movielens: expected one folder, got {len(paths)} places")
        folder, tally = paths[0], builder.tally

        def take_rating(row: Mapping[str, str]) -> None:
            value = rating(row["rating"], config.min_rating, config.max_rating)
            user, movie = identifier(row["userId"], "user id"), identifier(row["movieId"], "item id")
            builder.event(user, movie, "rating", seconds(row["timestamp"]), value=value)

        tags = Tags()
        take_each(
            _rows(need_file(folder, "ratings.csv", "ratings.dat"), "ratings", config, builder), tally, take_rating
        )
        if path := find_file(folder, "tags.csv", "tags.dat"):
            take_each(_rows(path, "tags", config, builder), tally, lambda row: tags.take(row, tally))
        if path := find_file(folder, "movies.csv", "movies.dat"):
            movies = _rows(path, "movies", config, builder)
            take_each(movies, tally, lambda row: builder.item(self._movie(row, tags, config)))
        tags.take_back_unused(tally)

    @staticmethod
    def _movie(row: Mapping[str, str], tags: Tags, config: ReaderConfig) -> Item:
        movie, title = identifier(row["movieId"], "item id"), clean_text(row["title"], config.max_title_chars)
        attributes: dict[str, str | tuple[str, ...]] = {}
        if year := _YEAR.search(title):
            attributes["year"] = year.group(1)
        if frequent := tags.of(movie):
            attributes["tags"] = frequent
        genres = [clean_text(g, 50) for g in row["genres"].split("|")]
        return Item(
            item_id=movie,
            title=title,
            categories=tuple(g for g in genres if g and g != _NO_GENRES),
            attributes=attributes,
        )


class Tags:
    """The tags of each movie; every tag is a record of its own, kept if its movie is listed."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._places: dict[str, list[tuple[str, int, bool]]] = {}

    def take(self, row: Mapping[str, str], tally: Tally) -> None:
        """Count the tag of the open record."""
        movie, tag = identifier(row["movieId"], "item id"), clean_text(row["tag"], 100).lower()
        if not tag:
            raise DataError("tag is missing")
        self._counts.setdefault(movie, Counter())[tag] += 1
        self._places.setdefault(movie, []).append((tally.file, tally.line, tally.keep()))

    def of(self, movie: str) -> tuple[str, ...]:
        """Return the most frequent tags of a movie that is listed."""
        self._places.pop(movie, None)
        ordered = sorted(self._counts.get(movie, Counter()).items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple(tag for tag, _ in ordered[:MAX_TAGS])

    def take_back_unused(self, tally: Tally) -> None:
        """Drop the tags of movies that `of` was never asked about."""
        places = [place for of_movie in self._places.values() for place in of_movie]
        shown = [(file, line) for file, line, _ in places[:SAMPLES_PER_REASON]]
        tally.take_back(UNKNOWN_MOVIE, shown, len(places), sum(mended for _, _, mended in places))


def _rows(path: Path, table: str, config: ReaderConfig, builder: DatasetBuilder) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a file by column name, each as a started record."""
    tally, columns = builder.tally, _DAT_COLUMNS[table]
    # The .dat files are Latin-1; copies of them in UTF-8 are about.
    is_dat = ".dat" in path.suffixes
    lines = read_lines(path, tally, max_bytes=config.max_line_bytes, fallback="latin-1" if is_dat else None)
    if is_dat:
        for number, text, repairs in lines:
            tally.start(path.name, number, repairs)
            cells = text.split("::")
            if len(cells) == len(columns):
                yield dict(zip(columns, cells, strict=True))
            else:
                tally.drop(WRONG_WIDTH)
        return
    header = next(lines, None)
    names = first_row(header, ",") if header else []
    if lacking := [c for c in columns if c not in names]:
        raise DataError(f"{path}: no column {', '.join(lacking)} in the header {names}")
    for _, cells in csv_rows(lines, tally, path.name, width=len(names)):
        yield dict(zip(names, cells, strict=True))
