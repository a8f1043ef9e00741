"""The Yelp Open Dataset (https://www.yelp.com/dataset): reviews and businesses as JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from recsys.data.builder import UNUSED_ITEM, DatasetBuilder
from recsys.data.fields import identifier, listed, mapping, missing, rating, seconds
from recsys.data.lines import Record, json_lines
from recsys.data.reader import FileReader, ReaderConfig, find_file, need_file, take_each
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item, Review

MAX_ATTRIBUTES = 20
_REVIEWS = ("yelp_academic_dataset_review.json", "review.json", "review.jsonl")
_BUSINESSES = ("yelp_academic_dataset_business.json", "business.json", "business.jsonl")


class YelpConfig(ReaderConfig):
    """Settings of `Yelp`."""

    unused_items: Literal["keep", "drop"] = "drop"
    reviews: bool = Field(default=True, description="keep the review texts")


class Yelp(FileReader[YelpConfig]):
    """Reads the folder of the published files, or ``REVIEWS[,BUSINESSES]``.

    Each review is an event of kind "rating". Of a business the name, categories, place and plain attributes are
    kept; its stars and review count are not: they sum up reviews of the whole period, the test period included.
    """

    name = "yelp"
    Config = YelpConfig

    def collect(self, paths: list[Path], config: YelpConfig, builder: DatasetBuilder) -> None:
        """Read the reviews, then the businesses."""
        if len(paths) > 2:
            raise DataError(f"yelp: expected a folder or REVIEWS[,BUSINESSES], got {len(paths)} files")
        reviews, businesses = paths[0], paths[1] if len(paths) > 1 else None
        if reviews.is_dir():
            reviews, businesses = need_file(paths[0], *_REVIEWS), businesses or find_file(paths[0], *_BUSINESSES)
        for path, take in ((reviews, self._review), (businesses, self._item)):
            if path is not None:
                records = json_lines(path, builder.tally, max_bytes=config.max_line_bytes)
                take_each(records, builder.tally, take, config, builder)

    @staticmethod
    def _review(source: Record, config: YelpConfig, builder: DatasetBuilder) -> None:
        record = source.value
        user = identifier(record.get("user_id"), "user id")
        item = identifier(record.get("business_id"), "item id")
        value = rating(record.get("stars"), config.min_rating, config.max_rating)
        time = seconds(record.get("date"))
        text = clean_text(record.get("text"), config.max_text_chars) if config.reviews else ""
        review_id = record.get("review_id")
        name = str(source.line) if missing(review_id) else identifier(review_id, "review id")
        review = (
            Review(user_id=user, item_id=item, text=text, rating=value, time=time, review_id=name) if text else None
        )
        builder.event(user, item, "rating", time, value=value, digest=source.digest, review=review)

    @staticmethod
    def _item(source: Record, config: YelpConfig, builder: DatasetBuilder) -> None:
        record = source.value
        item_id = identifier(record.get("business_id"), "item id")
        if config.unused_items == "drop" and not builder.has_events(item_id):
            builder.tally.drop(UNUSED_ITEM)
            return
        raw = record.get("categories")
        # One string with commas since 2018, a list before.
        names = raw.split(",") if isinstance(raw, str) else listed(raw)
        categories = dict.fromkeys(c for name in names if (c := clean_text(name, 100)))
        builder.item(
            Item(
                item_id=item_id,
                title=clean_text(record.get("name"), config.max_title_chars),
                categories=tuple(categories),
                attributes=_attributes(record),
            )
        )


def _attributes(record: Mapping[str, Any]) -> dict[str, str | bool]:
    out: dict[str, str | bool] = {}
    for name in ("city", "state"):
        if text := clean_text(record.get(name), 100):
            out[name] = text
    for key, value in mapping(record.get("attributes")).items():
        name = clean_text(key, 50)
        # Values are Python literals as text: "True", "u'free'", "{'romantic': False}". Nested ones are left out.
        text = clean_text(value, 100) if not isinstance(value, bool) else str(value)
        text = text.removeprefix("u").strip("'") if text.startswith(("u'", "'")) else text
        if name and text and not text.startswith("{") and not missing(text) and len(out) < MAX_ATTRIBUTES:
            out[name] = text == "True" if text in ("True", "False") else text
    return out
