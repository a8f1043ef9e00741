"""The sample shop as a data set to read: ``shop`` or ``shop:seed=7&shoppers=500``."""

from __future__ import annotations

from dataclasses import replace
from typing import Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict

from recsys.data.shop.searches import with_searches
from recsys.data.shop.shop import make_shop
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport


class SampleShop:
    """Makes the shop that a place describes; nothing is read from disk and nothing can be broken."""

    class Config(BaseModel):
        """No settings: the place says everything."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def read(self, place: str) -> tuple[Dataset, DropReport]:
        """Make the shop of ``place``: "" for the default, else "seed=7&shoppers=500" or a part of it.

        Raises:
            DataError: the place names something else, or a value that is no whole number.
            ConfigError: a number out of bounds.
        """
        seed, shoppers = settings_of(place)
        shop = with_searches(make_shop(seed, shoppers), seed)
        # Who simulates knows the true chances: evaluation shows them as the row that cannot be beaten.
        data = replace(shop.dataset, info={**shop.dataset.info, "oracle": shop.truth.next_event_scores})
        kept = len(data.items) + len(data.log) + len(data.reviews) + len(data.searches)
        return data, DropReport(read=kept, kept=kept)


def settings_of(place: str) -> tuple[int, int]:
    """Return seed and number of shoppers of a place; what it leaves out is 0 and 5000.

    Raises:
        DataError: the place is not made of these two names and whole numbers.
    """
    settings = {"seed": 0, "shoppers": 5000}
    try:
        pairs = parse_qsl(place.strip(), keep_blank_values=True, strict_parsing=bool(place.strip()))
    except ValueError as error:
        raise DataError(f"place of the sample shop must read 'seed=7&shoppers=500', got {place!r}") from error
    for name, value in pairs:
        if name not in settings:
            raise DataError(f"the sample shop knows {' and '.join(settings)}, not {name!r} (in {place!r})")
        if not (value.isascii() and value.isdigit()):
            raise DataError(f"{name} must be a whole number, got {value!r} (in {place!r})")
        settings[name] = int(value)
    return settings["seed"], settings["shoppers"]
