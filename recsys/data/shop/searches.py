"""The search log of the sample shop: what shoppers typed before they looked at what no list had shown them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import END
from recsys.data.shop.shop import Shop
from recsys.data.shop.vocabulary import ProductType, departments
from recsys.dataset import ItemTable
from recsys.types import KIND_CODES, Search

SEARCHED = 0.55  # of the looks that no list led to; the others came by way of the shelves
BROAD_FIRST = 0.3  # a word too few: nothing chosen, and the next query says more
AGAIN = 0.1  # finds the same product once more by the same words, days later
TYPOS = 0.06
LEAD_SECONDS, BROAD_SECONDS, DAY = 25, 70, 86_400
# What one types for a product, and how often.
FORMS = ("noun", "also", "brand", "material", "colour", "feature", "price", "shelf")
SHARES = (0.36, 0.17, 0.14, 0.1, 0.08, 0.07, 0.04, 0.04)


def with_searches(shop: Shop, seed: int = 0) -> Shop:
    """Return the shop with the searches of `make_searches` in its data set."""
    return replace(shop, dataset=replace(shop.dataset, searches=tuple(make_searches(shop, seed))))


def make_searches(shop: Shop, seed: int = 0) -> list[Search]:
    """Return the searches of a year, oldest first.

    They follow from the events of ``shop`` and the seed: a look at a product that stood in no list began, more often
    than not, with words for it. Those who chose something chose the product that the event names.
    """
    rng = np.random.default_rng([seed, 20_261_031])
    log, items = shop.dataset.log, shop.dataset.items
    looks = np.flatnonzero((log.events.kinds == KIND_CODES["view"]) & (log.events.positions == 0))
    looks = looks[rng.random(len(looks)) < SEARCHED]
    kinds = {t.form: t for d in departments() for t in d.types}
    chance = rng.random((len(looks), 6))
    owner = log.owner[looks].tolist()
    typed: list[tuple[int, str, str, tuple[str, ...]]] = []
    end = int(END.timestamp())
    for i, (event, user) in enumerate(zip(looks.tolist(), owner, strict=True)):
        row, time = int(log.events.rows[event]), int(log.events.times[event])
        kind, name = kinds[items.categories[row][2]], log.users[user]
        text = _words(items, row, kind, chance[i])
        broad = kind.form.split()[-1].lower()
        chosen = (_id(items, row),)
        if chance[i, 3] < BROAD_FIRST and broad != text:
            typed.append((time - BROAD_SECONDS, name, broad, ()))
        typed.append((time - LEAD_SECONDS, name, text, chosen))
        later = time + int(DAY * (1 + 20 * chance[i, 5]))
        if chance[i, 4] < AGAIN and later < end:
            typed.append((later, name, text, chosen))
    typed.sort()
    return [
        Search(user_id=user, text=text, time=time, chosen=chosen, search_id=f"search-{n:06d}")
        for n, (time, user, text, chosen) in enumerate(typed)
    ]


def _id(items: ItemTable, row: int) -> str:
    return items.vocabulary.ids(np.array([row], dtype=np.int32))[0]


def _words(items: ItemTable, row: int, kind: ProductType, chance: NDArray[np.float64]) -> str:
    """Return what is typed for one product; a wish that the product has no value for becomes its plain name."""
    form = FORMS[int(np.searchsorted(np.cumsum(SHARES), chance[0] * 0.9999, side="right"))]
    given: Mapping[str, object] = items.attributes[row]
    features = given.get("features", ())
    wishes: dict[str, str] = {
        "also": kind.also[int(chance[1] * len(kind.also))] if kind.also else "",
        "brand": f"{items.brands[row]} {kind.noun}".lower(),
        "material": _wish(given, "material", kind),
        "colour": _wish(given, "colour", kind),
        "price": f"{kind.noun} under {10 * int(np.ceil(float(items.prices[row]) / 10))}",
        "shelf": items.categories[row][1].lower(),
    }
    if isinstance(features, tuple) and features:
        wishes["feature"] = f"{str(features[int(chance[1] * len(features))]).replace('-', ' ')} {kind.noun}"
    text = wishes.get(form) or kind.noun
    return _typo(text, chance[2] / TYPOS) if chance[2] < TYPOS else text


def _wish(given: Mapping[str, object], name: str, kind: ProductType) -> str:
    value = given.get(name)
    return f"{value} {kind.noun}".lower() if isinstance(value, str) and value else ""


def _typo(text: str, u: float) -> str:
    """Leave out one letter within a word."""
    places = [i for i in range(1, len(text)) if text[i].isalpha() and text[i - 1].isalpha()]
    if not places:
        return text
    at = places[int(u * len(places))]
    return text[:at] + text[at + 1 :]
