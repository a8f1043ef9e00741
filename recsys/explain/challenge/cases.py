"""Draws the cases of the challenge set from the sample shop: a recommended item and the evidence that is known of it.

Run as ``python -m recsys.explain.challenge.cases FOLDER``; the texts about the cases are then written by hand, so the
committed files change only together with them. Cases for development and held-out cases come from different
departments: no product or brand is in both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys.data.shop import Shop, make_shop
from recsys.data.shop.vocabulary import aspects
from recsys.explanation import Evidence
from recsys.types import Item, Review

SEED = 20
SPLITS = {
    "dev": ("Audio", "Books & Stationery", "Garden", "Kitchen", "Outdoor", "Toys & Games"),
    "heldout": ("Beauty & Care", "Home Office", "Pet Care", "Sports & Fitness", "DIY & Tools", "Bags & Travel"),
}
# What is known in a case. An event names its kind; "+field" says that its item shares this field with the recommended
# one. The recommended item's own facts follow.
RECIPES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("purchase",), ()),
    (("purchase+brand",), ("brand",)),
    (("view", "purchase"), ()),
    ((), ("review", "features")),
    ((), ("query", "material")),
    (("cart",), ("popularity",)),
    ((), ("novelty", "category")),
    (("purchase",), ("review", "review")),
    (("rating+material",), ("material",)),
    (("like",), ("review",)),
    ((), ("query", "review", "popularity")),
    (("purchase", "purchase", "view"), ("popularity", "novelty")),
)


class Draw:
    """The catalogue of one split, and a generator to draw from it."""

    def __init__(self, shop: Shop, split: str) -> None:
        self.rng = np.random.default_rng([SEED, list(SPLITS).index(split)])
        table = shop.dataset.items
        self.items = [
            item for item in (table.item(i) for i in range(len(table))) if item.categories[0] in SPLITS[split]
        ]
        self.praise: dict[str, list[tuple[Review, str]]] = {}
        good = [sentence for aspect in aspects() for sentence in aspect.good]
        for review in shop.dataset.reviews:
            for sentence in good:
                if sentence in review.text:
                    self.praise.setdefault(review.item_id, []).append((review, sentence))

    def one(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[int(self.rng.integers(len(items)))]

    def time(self) -> int:
        """Return a moment of the simulated year, in epoch seconds."""
        return int(self.rng.integers(1_764_000_000, 1_793_400_000))

    def like(self, item: Item, field: str, used: Sequence[str]) -> Item:
        """Return another product of the same department, sharing ``field`` where one is named."""
        others = [o for o in self.items if o.categories[0] == item.categories[0] and o.parent_id not in used]
        if field:
            others = [o for o in others if value_of(o, field) == value_of(item, field)] or others
        return self.one(others)


def value_of(item: Item, field: str) -> str:
    """Return a field of an item as text."""
    if field == "brand":
        return item.brand or ""
    if field == "category":
        return item.categories[-2]
    value = item.attributes.get(field, "")
    return value[0] if isinstance(value, tuple) else str(value)


def make_cases(split: str, shop: Shop) -> list[dict[str, Any]]:
    """Return the cases of a split, as they are written to its file."""
    draw = Draw(shop, split)
    departments = SPLITS[split]
    out = []
    for number in range(2 * len(RECIPES)):
        events, own = RECIPES[number % len(RECIPES)]
        department = departments[(number + number // len(RECIPES)) % len(departments)]
        out.append(_case(draw, f"{split}-{number:02d}", department, events, own))
    return out


def _case(draw: Draw, name: str, department: str, events: Sequence[str], own: Sequence[str]) -> dict[str, Any]:
    fits = [
        item for item in draw.items
        if item.categories[0] == department
        and len(draw.praise.get(item.item_id, ())) >= own.count("review")
        and all(value_of(item, field) for field in ("material", "features") if field in own)
    ]  # fmt: skip
    item = draw.one(fits)
    evidence: list[Evidence] = []
    used = [item.parent_id or ""]
    for event in events:
        kind, _, field = event.partition("+")
        other = draw.like(item, field, used)
        used.append(other.parent_id or "")
        made = Evidence(
            kind="event", item_id=other.item_id, title=other.title, event_id=f"e{len(evidence)}", event_kind=kind,
            time=draw.time(), value="5" if kind == "rating" else None,
        )  # fmt: skip
        if field:
            for owner in (item, other):
                evidence.append(_attribute(owner, field))
        evidence.append(made)
    praise = list(draw.praise.get(item.item_id, ()))
    for field in own:
        evidence += _own(draw, item, field, praise, evidence)
    return {"case": name, "title": item.title, "evidence": [e.to_dict() for e in evidence]}


def _attribute(item: Item, field: str) -> Evidence:
    return Evidence(kind="attribute", item_id=item.item_id, title=item.title, field=field, value=value_of(item, field))


def _own(
    draw: Draw, item: Item, field: str, praise: list[tuple[Review, str]], known: Sequence[Evidence]
) -> list[Evidence]:
    if field == "review":
        review, quote = praise.pop(int(draw.rng.integers(len(praise))))
        start = review.text.index(quote)
        return [
            Evidence(
                kind="review", item_id=item.item_id, title=item.title, review_id=review.review_id, start=start,
                end=start + len(quote), quote=quote,
            )
        ]  # fmt: skip
    if field == "query":
        words = item.categories[-1].lower().split()
        return [Evidence(kind="query", item_id=item.item_id, title=item.title, field="title", value=w) for w in words]
    if field == "popularity":
        return [
            Evidence(kind="popularity", item_id=item.item_id, title=item.title, count=int(draw.rng.integers(23, 400)))
        ]
    if field == "novelty":
        return [Evidence(kind="novelty", item_id=item.item_id, title=item.title, time=draw.time())]
    if any(e.kind == "attribute" and e.item_id == item.item_id and e.field == field for e in known):
        return []
    return [_attribute(item, field)]


def main(folder: Path) -> None:
    """Write the cases of both splits."""
    shop = make_shop(seed=0, n_shoppers=2000)
    for split in SPLITS:
        lines = [json.dumps(case, ensure_ascii=False) + "\n" for case in make_cases(split, shop)]
        (folder / f"cases.{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
