"""The hand-written words of the sample shop: departments, brands, product types and aspects, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

FILES = (
    "kitchen", "outdoor", "garden", "office", "audio", "books",
    "toys", "pets", "sports", "beauty", "travel", "tools",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Brand:
    """An invented brand: ``voice`` is one sentence about it, ``level`` multiplies prices, ``lines`` name collections.

    ``skips`` are words of forms that it does not make: a maker of cat furniture sells no dog beds.
    """

    name: str
    voice: str
    level: float
    lines: tuple[str, ...]
    skips: tuple[str, ...] = ()

    def makes(self, form: str) -> bool:
        """Say whether the brand makes products of this form."""
        return not set(self.skips) & set(form.split())


@dataclass(frozen=True, slots=True)
class ProductType:
    """One kind of product and the words that its products are put together from.

    ``form`` is the noun of titles and the type's name; ``also`` are words that shoppers use for it. ``features`` are
    (tag, sentence) pairs. ``price`` bounds the smallest size; every further size costs ``step`` of it more.
    ``goes_with`` names the forms that complement it. ``names`` replace a brand's lines; ``title`` the usual title.
    """

    form: str
    also: tuple[str, ...]
    shelf: str
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    colours: tuple[str, ...]
    price: tuple[float, float]
    step: float
    aspects: tuple[str, ...]
    pitch: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    goes_with: tuple[str, ...]
    names: tuple[str, ...]
    title: str

    @property
    def noun(self) -> str:
        """The form as it stands within a sentence."""
        return self.form.lower()


@dataclass(frozen=True, slots=True)
class Department:
    """A department; its sales swing by the share ``swing`` around the year and are highest in month ``peak``."""

    name: str
    code: str
    peak: int
    swing: float
    brands: tuple[Brand, ...]
    types: tuple[ProductType, ...]


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something that reviewers judge, with the sentences that they use when it pleases and when it does not."""

    name: str
    label: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


@cache
def departments() -> tuple[Department, ...]:
    """Return all departments, in the order of `FILES`."""
    return tuple(_department(read(name)) for name in FILES)


@cache
def aspects() -> tuple[Aspect, ...]:
    """Return all aspects, by name."""
    listed = read("aspects")
    return tuple(Aspect(n, a["label"], tuple(a["good"]), tuple(a["bad"])) for n, a in sorted(listed.items()))


def read(name: str) -> Mapping[str, Any]:
    """Return the contents of one TOML file of this package."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text("utf-8"))


def _department(raw: Mapping[str, Any]) -> Department:
    brands = tuple(
        Brand(b["name"], b["voice"], float(b["level"]), tuple(b["lines"]), tuple(b.get("skips", ())))
        for b in raw["brand"]
    )
    types = tuple(_type(t, tuple(raw["colours"])) for t in raw["type"])
    return Department(raw["name"], raw["code"], int(raw["peak"]), float(raw["swing"]), brands, types)


def _type(raw: Mapping[str, Any], palette: tuple[str, ...]) -> ProductType:
    low, high = raw["price"]
    pairs = [feature.split(": ", 1) for feature in raw["features"]]
    return ProductType(
        raw["form"], tuple(raw["also"]), raw["shelf"], tuple(raw["materials"]), tuple(raw["sizes"]),
        tuple(raw.get("colours", palette)), (float(low), float(high)), float(raw.get("step", 0.3)),
        tuple(raw["aspects"]), tuple(raw["pitch"]), tuple((tag, sentence) for tag, sentence in pairs),
        tuple(raw["goes_with"]), tuple(raw.get("names", ())), raw.get("title", ""),
    )  # fmt: skip
