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
from recsys.data.reader import FileReader, ReaderConfig, find_file, need_file
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
        for row in _rows(need_file(folder, "ratings.csv", "ratings.dat"), "ratings", config, builder):
            try:
                value = rating(row["rating"], config.min_rating, config.max_rating)
                user, movie = identifier(row["userId"], "user id"), identifier(row["movieId"], "item id")
                builder.event(user, movie, "rating", seconds(row["timestamp"]), value=value)
            except DataError as error:
                tally.drop(str(error))
        tags = self._tags(folder, config, builder)
        movies = find_file(folder, "movies.csv", "movies.dat")
        if movies is not None:
            for row in _rows(movies, "movies", config, builder):
                try:
                    builder.item(self._movie(row, tags, config))
                except DataError as error:
                    tally.drop(str(error))

    @staticmethod
    def _tags(folder: Path, config: ReaderConfig, builder: DatasetBuilder) -> dict[str, Counter[str]]:
        """Return the tags of each movie. A tag counts as a record of its own."""
        tags: dict[str, Counter[str]] = {}
        path = find_file(folder, "tags.csv", "tags.dat")
        if path is None:
            return tags
        for row in _rows(path, "tags", config, builder):
            try:
                movie, tag = identifier(row["movieId"], "item id"), clean_text(row["tag"], 100).lower()
                if not tag:
                    raise DataError("tag is missing")
            except DataError as error:
                builder.tally.drop(str(error))
                continue
            tags.setdefault(movie, Counter())[tag] += 1
            builder.tally.keep()
        return tags

    @staticmethod
    def _movie(row: Mapping[str, str], tags: Mapping[str, Counter[str]], config: ReaderConfig) -> Item:
        movie, title = identifier(row["movieId"], "item id"), clean_text(row["title"], config.max_title_chars)
        attributes: dict[str, str | tuple[str, ...]] = {}
        if year := _YEAR.search(title):
            attributes["year"] = year.group(1)
        if counts := tags.get(movie):
            ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
            attributes["tags"] = tuple(tag for tag, _ in ordered[:MAX_TAGS])
        genres = [clean_text(g, 50) for g in row["genres"].split("|")]
        return Item(
            item_id=movie,
            title=title,
            categories=tuple(g for g in genres if g and g != _NO_GENRES),
            attributes=attributes,
        )


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
