"""Amazon review files as published: 2014 and 2018 (UCSD, J. McAuley) and 2023 (McAuley Lab, Hou et al.)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from recsys.data.builder import UNUSED_ITEM, DatasetBuilder
from recsys.data.fields import first_of, identifier, listed, mapping, price, rating, seconds
from recsys.data.lines import Record, json_lines
from recsys.data.reader import FileReader, ReaderConfig, take_each
from recsys.data.text import clean_text
from recsys.errors import DataError
from recsys.types import Item, Review

SCRIPT_TITLE = "script instead of a title"
MAX_CATEGORIES = 20
MAX_DETAILS = 20
# Details about the trade, not about the product.
_NO_DETAILS = (
    "asin",
    "upc",
    "isbn",
    "shipping",
    "model number",
    "best sellers rank",
    "customer reviews",
    "first available",
)


class AmazonConfig(ReaderConfig):
    """Settings of `Amazon`."""

    unused_items: Literal["keep", "drop"] = "drop"
    reviews: bool = Field(default=True, description="keep the review texts")


class Amazon(FileReader[AmazonConfig]):
    """Reads ``REVIEWS[,METADATA]``, both JSON lines or Python literals, plain or gzip.

    The field names of all three editions are known and may be mixed. Each review is an event of kind "rating".
    Metadata files cover a whole department, so items without a review are dropped unless ``unused_items=keep``.
    In 2023 the item is ``parent_asin``: the product, whose variants have an ``asin`` each. Names of reviewers are
    never read.
    """

    name = "amazon"
    Config = AmazonConfig

    def collect(self, paths: list[Path], config: AmazonConfig, builder: DatasetBuilder) -> None:
        """Read the reviews, then the metadata."""
        if len(paths) > 2:
            raise DataError(f"amazon: expected REVIEWS[,METADATA], got {len(paths)} files")
        for path, take in zip(paths, (self._review, self._item), strict=False):
            records = json_lines(path, builder.tally, max_bytes=config.max_line_bytes)
            take_each(records, builder.tally, take, config, builder)

    @staticmethod
    def _review(source: Record, config: AmazonConfig, builder: DatasetBuilder) -> None:
        record = source.value
        user = identifier(first_of(record, "reviewerID", "user_id"), "user id")
        item = identifier(first_of(record, "asin" if "reviewerID" in record else "parent_asin", "asin"), "item id")
        value = rating(first_of(record, "overall", "rating"), config.min_rating, config.max_rating)
        time = seconds(first_of(record, "unixReviewTime", "timestamp", "sort_timestamp", "reviewTime"))
        review = None
        if config.reviews:
            text = clean_text(first_of(record, "reviewText", "text"), config.max_text_chars)
            summary = clean_text(first_of(record, "summary", "title"), config.max_title_chars)
            if text or summary:
                review = Review(
                    user_id=user,
                    item_id=item,
                    text=text,
                    summary=summary,
                    rating=value,
                    time=time,
                    review_id=str(source.line),
                )
        # Two reviews of one day may differ in their text alone; equal lines are what "exact duplicate" means here.
        builder.event(user, item, "rating", time, value=value, digest=source.digest, review=review)

    @staticmethod
    def _item(source: Record, config: AmazonConfig, builder: DatasetBuilder) -> None:
        record = source.value
        item_id = identifier(first_of(record, "parent_asin", "asin"), "item id")
        if config.unused_items == "drop" and not builder.has_events(item_id):
            builder.tally.drop(UNUSED_ITEM)
            return
        raw_title = record.get("title")
        title = clean_text(raw_title, config.max_title_chars)
        # Some 2018 pages were cut at the wrong place: their title is a script of thousands of characters.
        if isinstance(raw_title, str) and "getTime()" in raw_title:
            title = ""
            builder.tally.repair(SCRIPT_TITLE)
        texts = [
            clean_text(t, config.max_text_chars)
            for key in ("description", "feature", "features")
            for t in listed(record.get(key))
        ]
        builder.item(
            Item(
                item_id=item_id,
                title=title,
                text=" ".join(dict.fromkeys(t for t in texts if t))[: config.max_text_chars],
                brand=clean_text(first_of(record, "brand", "store"), 100).removeprefix("by ") or None,
                categories=_categories(record),
                price=price(record.get("price")),
                attributes=_details(record),
            )
        )


def _categories(record: Mapping[str, Any]) -> tuple[str, ...]:
    raw = listed(first_of(record, "category", "categories") or [])
    names = [clean_text(c, 100) for c in raw] or [clean_text(first_of(record, "main_category", "main_cat"), 100)]
    return tuple(dict.fromkeys(n for n in names if n))[:MAX_CATEGORIES]


def _details(record: Mapping[str, Any]) -> dict[str, str]:
    out: dict[str, str] = {}
    for key, value in mapping(record.get("details")).items():
        name = clean_text(key, 50).rstrip(": ").lower()
        text = clean_text(value, 200)
        if name and text and not any(n in name for n in _NO_DETAILS) and len(out) < MAX_DETAILS:
            out.setdefault(name, text)
    return out
