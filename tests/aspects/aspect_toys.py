"""Reviews that one can read at a glance: what is said of which item is written down here."""

from __future__ import annotations

from dataclasses import replace

from recsys.dataset import Dataset
from recsys.types import Review

GOOD_GRIP, BAD_GRIP = "The grip is great, it never slips.", "The grip is terrible, I dropped it."
GOOD_SOUND, BAD_SOUND = "Lovely sound, and the bass is tight.", "The sound is awful and thin."


def said(item_id: str, texts: list[str], rating: float, start: int = 0) -> list[Review]:
    return [
        Review(user_id=f"critic-{start + n:02d}@mail.example", item_id=item_id, text=text, rating=rating,
               time=1_000 + n, review_id=f"{item_id}/{start + n}")
        for n, text in enumerate(texts)
    ]  # fmt: skip


def with_reviews(data: Dataset, *extra: Review) -> Dataset:
    return replace(data, reviews=(*data.reviews, *extra))
