"""A made-up world of ratings: biases, a taste for a category that the texts name, and moods that last a day."""

from __future__ import annotations

import numpy as np

from recsys.dataset import Dataset
from recsys.types import Event, Item, Review

USERS, ITEMS, EACH = 60, 40, 16
DAY = 86_400
START = 1_500_000_000


def rated_world(seed: int = 0, reviews: bool = True) -> Dataset:
    """Return 960 ratings of 1 to 5: half of the shoppers love wood and dislike steel, the others the reverse."""
    rng = np.random.default_rng(seed)
    harsh, good = rng.normal(0, 0.4, USERS), rng.normal(0, 0.4, ITEMS)
    items = [
        Item(item_id=f"i{i}", title=f"Bowl {i}", categories=("wood" if i % 2 else "steel",), brand=f"b{i % 5}")
        for i in range(ITEMS)
    ]
    events, words = [], []
    for u in range(USERS):
        days = rng.integers(0, 6, EACH) * 40 + u
        mood = rng.normal(0, 0.6, days.max() + 1)
        for i, day in zip(rng.permutation(ITEMS)[:EACH], days, strict=True):
            taste = 0.7 if (i + u) % 2 else -0.7
            stars = float(np.clip(round(3.2 + harsh[u] + good[i] + taste + mood[day] + rng.normal(0, 0.3)), 1, 5))
            time = START + int(day) * DAY + len(events)
            events.append(Event(user_id=f"u{u}", item_id=f"i{i}", kind="rating", value=stars, time=time))
            said = "lovely and solid" if stars >= 4 else "cracked and dull" if stars <= 2 else "does its work"
            words.append(Review(user_id=f"u{u}", item_id=f"i{i}", text=said, rating=stars, time=time))
    return Dataset.of(items, events, words if reviews else (), name="toys")
