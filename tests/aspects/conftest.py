"""A shop of eight tools."""

from __future__ import annotations

import pytest
from aspect_toys import BAD_GRIP, BAD_SOUND, GOOD_GRIP, GOOD_SOUND, said

from recsys.aspects import AspectTable
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.types import Event, Item, Review


@pytest.fixture(scope="session")
def tools() -> Dataset:
    """Eight items: 0-2 praised for their grip, 3 blamed for it, 4-6 praised for their sound, 7 blamed for it."""
    items = [Item(item_id=f"tool-{n}", title=f"Tool number {n}") for n in range(8)]
    reviews: list[Review] = []
    for n in range(3):
        reviews += said(f"tool-{n}", [GOOD_GRIP] * 3, 5.0)
        reviews += said(f"tool-{n + 4}", [GOOD_SOUND] * 3, 5.0)
    reviews += said("tool-3", [BAD_GRIP] * 3, 1.0) + said("tool-7", [BAD_SOUND] * 3, 1.0)
    events = [
        Event(user_id="griper@mail.example", item_id="tool-0", kind="purchase", time=2_000, event_id="evt-000001"),
        Event(user_id="listener@mail.example", item_id="tool-4", kind="purchase", time=2_000, event_id="evt-000002"),
    ]
    return Dataset.of(items, events, reviews, name="tools")


@pytest.fixture(scope="session")
def table(tools: Dataset) -> AspectTable:
    return AspectTable().fit(tools, FitOptions())
