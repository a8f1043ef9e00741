"""Small data sets whose right answer is known, and requests made from any data set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from recsys.dataset import Dataset
from recsys.types import Event, Item, ItemRows, Request, Review, RowMask

START = 1_700_000_000
DAY = 86_400
COLOURS = ("crimson", "navy")


def checkerboard(size: int = 20) -> Dataset:
    """Return ``size`` shoppers and ``size`` items of two colours; shopper u has every item of colour u % 2 but item u.

    Once the items that a shopper has are masked, item u is the one right answer (the world of implicit's tests).
    Each shopper walks through the items of one colour in a ring that starts behind item u, so that u is also what
    others took next: methods that count, that factorise, that follow sequences and that read text can all find it.

    Args:
        size: even, at least 8.
    """
    items = [
        Item(item_id=f"{COLOURS[i % 2]}-{i}", title=f"{COLOURS[i % 2]} tile {i}", brand=COLOURS[i % 2].title(),
             text=f"A tile in {COLOURS[i % 2]}.", categories=("Tiles", COLOURS[i % 2]))
        for i in range(size)
    ]  # fmt: skip
    events = [
        Event(user_id=f"player-{u}@checkers.example", item_id=items[(u + 2 * step) % size].item_id,
              time=START + u * 60 + step * DAY)
        for u in range(size)
        for step in range(1, size // 2)
    ]  # fmt: skip
    return Dataset.of(items, events, name="checkerboard")


def right_answers(data: Dataset) -> ItemRows:
    """Return ``(n_users,)``: the item that each shopper of `checkerboard` still lacks, in the order of the log."""
    places = [int(user.split("@")[0].removeprefix("player-")) for user in data.log.users]
    return np.array(places, dtype=np.int32)


def requests_of(
    data: Dataset,
    k: int = 10,
    *,
    users: Iterable[int] | None = None,
    hide_seen: bool = False,
    text: str | None = None,
    now: int | None = None,
) -> list[Request]:
    """Return one request for each shopper of the log, with the whole history.

    Args:
        data: what the histories and the length of the masks come from.
        k: how many items each shopper wants.
        users: groups of the log, all by default.
        hide_seen: whether items of the history are masked out.
        text: the query of all of them; None asks for recommendations.
        now: epoch seconds, one day after the last event by default.
    """
    times = data.log.events.times
    clock = (int(times.max()) + DAY if len(times) else START) if now is None else now
    out = []
    for u in range(data.log.n_users) if users is None else users:
        history = data.log.history(u)
        allowed: RowMask | None = None
        if hide_seen:
            allowed = np.ones(len(data.items), dtype=np.bool_)
            allowed[history.rows] = False
        out.append(Request(user=data.log.users[u], text=text, history=history, allowed=allowed, now=clock, k=k))
    return out


# department: (categories, nouns, materials, brands)
_DEPARTMENTS = {
    "Kitchen": (
        ("Home", "Kitchen"), ("kettle", "saucepan", "bread knife", "teapot"),
        ("steel", "enamel"), ("Hearthly", "Oldcastle"),
    ),
    "Garden": (
        ("Outdoor", "Garden"), ("watering can", "trowel", "rake", "seed tray"),
        ("copper", "bamboo"), ("Fernside", "Mossley"),
    ),
    "Running": (
        ("Sports", "Running"), ("running shoe", "rain jacket", "headlamp", "water belt"),
        ("mesh", "reflective"), ("Swiftline", "Tarn"),
    ),
    "Desk": (
        ("Office", "Desk"), ("fountain pen", "notebook", "desk lamp", "letter tray"),
        ("brass", "walnut"), ("Quillon", "Ledger & Sons"),
    ),
    "Toys": (
        ("Children", "Toys"), ("train set", "puzzle", "kite", "building blocks"),
        ("wooden", "painted"), ("Tumbleday", "Bright Owl"),
    ),
}  # fmt: skip
_LIKING = ("purchase", "view", "cart", "like", "click", "rating")
_DISLIKING = ("dislike", "return", "not-interested")


def small_shop(seed: int = 7) -> Dataset:
    """Return a shop of 40 items, 61 shoppers and a few reviews, with the dirt of a real one.

    Each shopper has a home department that most of the events fall into. Among the items: one without text, one
    without a price, two out of stock, variants of one parent, and the last one, which nobody ever touched. Among
    the shoppers: one with a single event, one who only dislikes, one with impressions alone, some who buy the same
    item again, some who return what they bought.
    Row r belongs to department ``r // 8``.
    """
    rng = np.random.default_rng(seed)
    items = _items()
    shelves = np.arange(len(items)).reshape(len(_DEPARTMENTS), -1)
    events = []
    for u in range(58):
        shelf = shelves[u % len(shelves)]
        time = START + int(rng.integers(0, 90 * DAY))
        for step in range(int(rng.integers(3, 14))):
            at_home = rng.random() < 0.8
            row = int(rng.choice(shelf[shelf < len(items) - 1]) if at_home else rng.integers(len(items) - 1))
            kinds = _LIKING if at_home or rng.random() < 0.4 else _DISLIKING
            kind = str(rng.choice(kinds))
            value = float(rng.integers(3, 6)) if kind == "rating" else 1.0
            time += int(rng.integers(60, 5 * DAY))
            events.append(_event(u, step, items[row], kind, time, value, int(rng.integers(1, 20))))
            if kind == "purchase" and rng.random() < 0.15:
                events.append(_event(u, step + 100, items[row], "return", time + DAY, 1.0, 0))
    end = START + 150 * DAY
    events += [
        _event(58, 0, items[3], "purchase", end, 1.0, 0),
        *(_event(59, step, items[20 + step], "dislike", end + step, 1.0, 0) for step in range(3)),
        *(_event(60, step, items[30 + step], "impression", end + step, 1.0, step + 1) for step in range(4)),
    ]
    return Dataset.of(items, events, _reviews(items), name="small-shop")


def shopper_id(u: int) -> str:
    """Return the id of shopper ``u``: long and odd enough to be found wherever it leaks."""
    return f"shopper-{u:02d}@mail.example"


def _items() -> list[Item]:
    out: list[Item] = []
    for department, (categories, nouns, materials, brands) in _DEPARTMENTS.items():
        for place in range(8):
            row, noun, material, brand = len(out), nouns[place // 2], materials[place % 2], brands[place // 4]
            out.append(
                Item(
                    item_id=f"SKU-{row:03d}",
                    title=f"{material.title()} {noun} {'Nº' if row % 9 == 0 else 'no.'} {place + 1}",
                    text="" if row == 17 else f"A {material} {noun} for the {department.lower()}, made by {brand}.",
                    brand=brand,
                    categories=categories,
                    price=None if row == 11 else round(4.5 + 3.25 * row % 61, 2),
                    stock=0 if row in (5, 26) else (None if row % 7 == 0 else row),
                    parent_id=f"{department}-{noun}" if place < 2 else None,
                    created=datetime.fromtimestamp(START - (40 - row) * DAY, UTC),
                    attributes={"material": material, "weight_g": 100.0 + row, "gift": row % 3 == 0},
                )
            )
    return out


def _event(user: int, step: int, item: Item, kind: str, time: int, value: float, position: int) -> Event:
    return Event(
        user_id=shopper_id(user), item_id=item.item_id, kind=kind, value=value, time=time,
        event_id=f"evt-{user:02d}-{step:03d}-{kind}", position=position or None,
    )  # fmt: skip


def _reviews(items: list[Item]) -> list[Review]:
    said = (
        (0, "Boils fast, and the handle stays cool.", "Quick", 5.0),
        (9, "Leaks at the spout after a month.", "Leaks", 2.0),
        (16, "Light and dry even in heavy rain.", "Dry feet", 5.0),
        (24, "The nib scratches, but the brass looks lovely.", "Mixed", 3.0),
        (33, "Our daughter plays with it every day.", "Loved", 5.0),
    )
    return [
        Review(user_id=shopper_id(n), item_id=items[row].item_id, text=text, summary=summary, rating=rating,
               time=START + 100 * DAY, review_id=f"review-{n:02d}-by-{shopper_id(n)}")
        for n, (row, text, summary, rating) in enumerate(said)
    ]  # fmt: skip
