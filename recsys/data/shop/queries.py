"""Queries with graded relevance: what shoppers of the sample shop type, and which items answer it how well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import Catalogue
from recsys.data.shop.vocabulary import ProductType
from recsys.types import ItemRows

KINDS_PER_TYPE = 2
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class GradedQuery:
    """One query and its relevant items; an item that is not listed has grade 0.

    ``kind`` says what the words ask for: "type", "synonym", "typo", "material", "feature", "colour", "brand", "price".
    ``rows`` (r,) and ``grades`` (r,) of 1..3: 3 = everything asked for, 2 = the right kind of product that misses one
    wish, 1 = a neighbour on the same shelf, or the brand without the product.
    """

    query_id: str
    text: str
    kind: str
    rows: ItemRows
    grades: NDArray[np.int8]


def make_queries(rng: np.random.Generator, catalogue: Catalogue) -> tuple[GradedQuery, ...]:
    """Return four queries a product type: its name, a synonym, and two that wish for something in particular."""
    found: list[GradedQuery] = []
    for code, kind in enumerate(catalogue.types):
        own = catalogue.type == code
        shelf = np.array([c[:2] for c in catalogue.items.categories]) == np.array(_place(catalogue, own))
        near = shelf.all(axis=1) & ~own
        asked = [("type", kind.noun, own, own), ("synonym", str(rng.choice(kind.also)), own, own)]
        wishes = list(_wishes(rng, catalogue, kind, own))
        for i in np.sort(rng.choice(len(wishes), size=min(KINDS_PER_TYPE, len(wishes)), replace=False)):
            asked.append(wishes[i])
        for name, text, full, part in asked:
            grades = np.where(full, 3, np.where(part & own, 2, np.where(near | part, 1, 0))).astype(np.int8)
            rows = np.flatnonzero(grades).astype(np.int32)
            found.append(GradedQuery(f"query-{len(found):04d}", text, name, rows, grades[rows]))
    return tuple(found)


def _place(catalogue: Catalogue, own: Mask) -> tuple[str, str]:
    categories = catalogue.items.categories[int(np.argmax(own))]
    return categories[0], categories[1]


def _wishes(
    rng: np.random.Generator, catalogue: Catalogue, kind: ProductType, own: Mask
) -> Iterator[tuple[str, str, Mask, Mask]]:
    """Yield (kind, text, items with everything, items with a part of it); a wish that nothing fulfils is no query."""
    items = catalogue.items
    sample = int(rng.choice(np.flatnonzero(own)))
    given = items.attributes[sample]
    for name, form in (("material", "{} {}"), ("colour", "{} {}")):
        value = given.get(name)
        if value:
            yield name, form.format(value.lower(), kind.noun), own & _has(catalogue, name, value), own
    feature = str(rng.choice(given["features"]))
    offers = np.array([feature in a["features"] for a in items.attributes])
    yield "feature", f"{feature.replace('-', ' ')} {kind.noun}", own & offers, own
    brand = items.brands[sample]
    same = np.array(items.brands) == brand
    yield "brand", f"{brand.lower()} {kind.noun}", own & same, own | same
    # Rounded up to five: somebody's budget, and at least the sampled item is within it.
    budget = 5 * int(np.ceil(float(items.prices[sample]) / 5))
    yield "price", f"{kind.noun} under {budget}", own & (items.prices <= budget), own
    yield "typo", _typo(rng, kind.noun), own, own


def _has(catalogue: Catalogue, name: str, value: str) -> Mask:
    return np.array([a.get(name) == value for a in catalogue.items.attributes])


def _typo(rng: np.random.Generator, text: str) -> str:
    """Swap two different letters that stand side by side within a word."""
    places = [i for i in range(len(text) - 1) if text[i : i + 2].isalpha() and text[i] != text[i + 1]]
    at = int(rng.choice(places))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
