"""The catalogue: products and their variants, put together from the hand-written words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.vocabulary import Brand, Department, ProductType, departments
from recsys.dataset import ItemTable
from recsys.types import Item

START = datetime(2025, 11, 1, tzinfo=UTC)  # the year that is simulated
END = datetime(2026, 11, 1, tzinfo=UTC)  # exclusive: the last events are of 31 October 2026
PRODUCTS_PER_TYPE = 10
MAX_VARIANTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The item table and the same facts as numbers, (n,) each, aligned with its rows.

    Attributes:
        department, type, brand, parent: codes; ``types`` and ``brands`` name the second and third.
        price_level: the logarithm of the price, standardised within the type and cut at 1.5.
    """

    items: ItemTable
    types: tuple[ProductType, ...]
    brands: tuple[str, ...]
    department: NDArray[np.int32]
    type: NDArray[np.int32]
    brand: NDArray[np.int32]
    parent: NDArray[np.int32]
    price_level: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class _Product:
    """What all variants of one product share; ``name`` is a line of the brand or a name of its own."""

    parent_id: str
    department: Department
    type: ProductType
    brand: Brand
    name: str
    material: str
    features: tuple[tuple[str, str], ...]
    pitch: str
    price: float
    created: datetime


def make_catalogue(rng: np.random.Generator) -> Catalogue:
    """Return a catalogue of about a thousand products with one to four variants each."""
    items: list[Item] = []
    codes: list[tuple[int, int, int, int]] = []
    types = [(d, t) for d, department in enumerate(departments()) for t in department.types]
    brands = [b.name for department in departments() for b in department.brands]
    parent = 0
    for t, (d, kind) in enumerate(types):
        for product in _products(rng, departments()[d], kind, parent):
            for item in _variants(rng, product):
                items.append(item)
                codes.append((d, t, brands.index(product.brand.name), parent))
            parent += 1
    table = ItemTable.of(items)
    department, type_, brand, parents = np.array(codes, dtype=np.int32).T
    level = np.log(table.prices)
    for t in range(len(types)):
        own = type_ == t
        level[own] = (level[own] - level[own].mean()) / max(float(level[own].std()), 0.1)
    return Catalogue(
        table, tuple(t for _, t in types), tuple(brands), department, type_, brand, parents,
        np.clip(level, -1.5, 1.5).astype(np.float32),
    )  # fmt: skip


def _products(rng: np.random.Generator, department: Department, kind: ProductType, first: int) -> Iterator[_Product]:
    """Yield products of one type; no two share brand and name, so that no two titles are equal."""
    makers = [b for b in department.brands if b.makes(kind.form)]
    brands = [makers[i % len(makers)] for i in rng.permutation(PRODUCTS_PER_TYPE)]
    names = list(rng.permutation(kind.names)) if kind.names else []
    taken: set[tuple[str, str]] = set()
    for place in range(min(PRODUCTS_PER_TYPE, len(names) or PRODUCTS_PER_TYPE)):
        brand = brands[place]
        free = [line for line in brand.lines if (brand.name, line) not in taken]
        name = str(names[place]) if names else str(rng.choice(free))
        taken.add((brand.name, name))
        # "Oat Oat Shampoo Bar", "Recycled Foam Foam Roller": a material that repeats a word is no choice.
        said = set(f"{name} {kind.form}".lower().split())
        materials = [m for m in kind.materials if not said & set(m.lower().split())]
        picked = np.sort(rng.choice(len(kind.features), size=rng.integers(2, 4), replace=False))
        low, high = kind.price
        price = low * (high / low) ** rng.beta(1.6, 2.2) * brand.level
        yield _Product(
            f"{department.code}-{first + place:04d}", department, kind, brand, name,
            str(rng.choice(materials)) if materials else "", tuple(kind.features[i] for i in picked),
            str(rng.choice(kind.pitch)), float(np.clip(price, low, high)), _created(rng),
        )  # fmt: skip


def _created(rng: np.random.Generator) -> datetime:
    """Two thirds were there before the year began, most others come in during it, a few in its last fortnight."""
    year = END - START
    u = rng.random()
    if u < 0.66:
        back = timedelta(days=float(rng.uniform(1, 1000)))
        return (START - back).replace(microsecond=0)
    if u < 0.98:
        return (START + year * float(rng.uniform(0, 0.96))).replace(microsecond=0)
    return (END - timedelta(days=float(rng.uniform(0.5, 14)))).replace(microsecond=0)


def _variants(rng: np.random.Generator, product: _Product) -> Iterator[Item]:
    kind = product.type
    sizes = _some(rng, kind.sizes, 3)
    colours = _some(rng, kind.colours, 2)
    combined = [(size, colour) for size in sizes for colour in colours][:MAX_VARIANTS]
    for number, (size, colour) in enumerate(combined, 1):
        place = kind.sizes.index(size) if size else 0
        given = {"material": product.material, "size": size, "colour": colour}
        yield Item(
            item_id=f"{product.parent_id}-{number}",
            title=_title(product, size, colour),
            text=" ".join([product.pitch, *(sentence for _, sentence in product.features), product.brand.voice]),
            brand=product.brand.name,
            categories=(product.department.name, kind.shelf, kind.form),
            price=charm(product.price * (1 + kind.step * place)),
            stock=0 if rng.random() < 0.05 else 1 + int(rng.lognormal(3.2, 0.9)),
            parent_id=product.parent_id,
            created=product.created,
            attributes={
                **{name: value for name, value in given.items() if value},
                "features": tuple(tag for tag, _ in product.features),
            },
        )


def _some(rng: np.random.Generator, values: tuple[str, ...], most: int) -> list[str]:
    """Return one to ``most`` of the values, in their order; [""] when there are none."""
    if not values:
        return [""]
    count = int(rng.integers(1, min(most, len(values)) + 1))
    return [values[i] for i in np.sort(rng.choice(len(values), size=count, replace=False))]


def _title(product: _Product, size: str, colour: str) -> str:
    kind = product.type
    if kind.title:
        stem = kind.title.format(name=product.name)
    else:
        stem = " ".join(p for p in (product.brand.name, product.name, product.material, kind.form) if p)
    return ", ".join(p for p in (stem, size, colour) if p)


def charm(price: float) -> float:
    """Return the price as a shop would print it: 12.45, 34.95, 129.00."""
    if price >= 100:
        return float(round(price))
    if price >= 20:
        return round(price) - 0.05
    return round(round(price * 2) / 2 - 0.05, 2)
