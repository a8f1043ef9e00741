"""The sample shop as a data set to read: ``shop`` or ``shop:seed=7&shoppers=500``."""

from __future__ import annotations

from typing import Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict

from recsys.data.shop.shop import make_shop
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport

DEFAULTS = {"seed": 0, "shoppers": 5000}


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
        settings = dict(DEFAULTS)
        for name, value in parse_place(place):
            if name not in DEFAULTS:
                raise DataError(f"the sample shop knows {' and '.join(DEFAULTS)}, not {name!r} (in {place!r})")
            if not value.isascii() or not value.isdigit():
                raise DataError(f"{name} must be a whole number, got {value!r} (in {place!r})")
            settings[name] = int(value)
        shop = make_shop(settings["seed"], settings["shoppers"])
        kept = len(shop.dataset.items) + len(shop.dataset.log) + len(shop.dataset.reviews)
        return shop.dataset, DropReport(read=kept, kept=kept)


def parse_place(place: str) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a place.

    Raises:
        DataError: a part without "=".
    """
    try:
        return parse_qsl(place.strip(), keep_blank_values=True, strict_parsing=bool(place.strip()))
    except ValueError as error:
        raise DataError(f"place of the sample shop must read 'seed=7&shoppers=500', got {place!r}") from error
