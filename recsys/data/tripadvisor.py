"""Hotel reviews: HotelRec (Antognini and Faltings 2020, LREC) and the TripAdvisor, Yelp and Amazon sets of PETER
and NETE (Li et al. 2020, 2021), as JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.data.builder import DatasetBuilder
from recsys.data.fields import first_of, identifier, missing, rating, seconds
from recsys.data.json_array import json_objects
from recsys.data.lines import Record
from recsys.data.reader import FileReader, ReaderConfig, take_each
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item, Review

# "Hotel_Review-g60763-d93450-Reviews-The_Grand-New_York.html": the only place where HotelRec names the hotel.
_HOTEL = re.compile(r"-Reviews?-(?:or\d+-)?([^/]+?)(?:\.html.*)?$")


class TripAdvisor(FileReader[ReaderConfig]):
    """Reads ``REVIEWS[,MORE...]``: JSON lists or JSON lines, plain or gzip. PETER's pickle files are refused.

    PETER: ``user, item, rating``, ``template`` (feature, opinion word, sentence, score) and ``predicted`` (the
    feature that its authors predict). HotelRec: ``author, hotel_url, rating, title, text, date``. Authors are
    display names there: the user id is a hash. Without dates, the order of the file is the order of events.
    """

    name = "tripadvisor"
    Config = ReaderConfig

    def collect(self, paths: list[Path], config: ReaderConfig, builder: DatasetBuilder) -> None:
        """Read all files; hotels are listed as they are met."""
        hotels: dict[str, str] = {}
        for path in paths:
            if path.suffix in (".pickle", ".pkl"):
                raise DataError(f"{path} is a pickle, which may run code when it is read: save it as JSON first")
            records = json_objects(path, builder.tally, max_bytes=config.max_line_bytes)
            take_each(records, builder.tally, _review, config, builder, hotels)
        builder.describe(Item(item_id=item, title=title) for item, title in hotels.items())


def _review(source: Record, config: ReaderConfig, builder: DatasetBuilder, hotels: dict[str, str]) -> None:
    record = source.value
    user, item = _user(record), identifier(first_of(record, "item", "item_id", "hotel_url", "hotel_id"), "item id")
    value = rating(record.get("rating"), config.min_rating, config.max_rating)
    time = None if missing(record.get("date")) else seconds(record["date"])
    template = record.get("template")
    sentence = template[2] if isinstance(template, list) and len(template) > 2 else None
    text = clean_text(first_of(record, "text", "review", "reviewText"), config.max_text_chars)
    text = text or clean_text(sentence, config.max_text_chars)
    summary = clean_text(first_of(record, "title", "summary"), config.max_title_chars)
    review = None
    if text or summary:
        review = Review(
            user_id=user, item_id=item, text=text, summary=summary, rating=value, time=time, review_id=str(source.line)
        )  # fmt: skip
    if found := _HOTEL.search(item):
        hotels[item] = clean_text(found.group(1).replace("_", " ").replace("-", ", ", 1), config.max_title_chars)
    builder.event(user, item, "rating", time, value=value, digest=source.digest or 1, review=review)


def _user(record: Mapping[str, Any]) -> str:
    known = first_of(record, "user", "user_id")
    if known is not None:
        return identifier(known, "user id")
    author = identifier(record.get("author"), "user id")
    return hashlib.sha256(author.encode()).hexdigest()[:20]
