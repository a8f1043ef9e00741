"""What a shopper is not shown: named items, and what they bought until it is time to buy it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.filters.columns import columns_of
from recsys.registry import validation_text
from recsys.types import KIND_CODES, KINDS, Events, ItemRows

DAY = 86_400
# What hides an item unless settings say otherwise: choices and refusals, no looks.
CHOICES = ("interaction", "purchase", "rating", "like", "dislike", "return", "not-interested")
ACQUIRED = ("interaction", "purchase")
REFUSED = ("dislike", "return", "not-interested")
_ACQUIRED = [KIND_CODES[kind] for kind in ACQUIRED]
_REFUSED = [KIND_CODES[kind] for kind in REFUSED]


class Exclusions(BaseModel):
    """Which items a list leaves out. As it is, an item is hidden for ever once it was chosen or refused.

    Attributes:
        item_ids: never shown; unknown ones are no error.
        event_kinds: an item with an event of one of these kinds is hidden. Refusals hide for ever.
        repurchase_days: category -> days after which an item of it may come back, counted from the latest purchase
            (else from the latest event that hides it). Of several categories the shortest wait counts. A window
            ends on the second: after exactly so many days the item is back.
        default_days: the same for items of no such category; None = for ever.
        kind_days: event kind -> days that hold for this kind whatever the category: {"impression": 1}, say.
        hide_variants: whether the other variants of a hidden item (same parent_id) are hidden with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_ids: tuple[str, ...] = ()
    event_kinds: tuple[str, ...] = CHOICES
    repurchase_days: dict[str, float] = Field(default_factory=dict)
    default_days: float | None = Field(None, ge=0, allow_inf_nan=False)
    kind_days: dict[str, float] = Field(default_factory=dict)
    hide_variants: bool = False

    @field_validator("event_kinds", "kind_days")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if odd := [kind for kind in value if kind not in KIND_CODES]:
            raise ValueError(f"no event kind {', '.join(map(repr, odd))} (kinds: {', '.join(KINDS)})")
        return value

    @field_validator("repurchase_days", "kind_days")
    @classmethod
    def _days(cls, value: dict[str, float]) -> dict[str, float]:
        if odd := [name for name, days in value.items() if not (np.isfinite(days) and days >= 0)]:
            raise ValueError(f"days must be finite and not negative: {', '.join(odd)}")
        return value

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "exclusions") -> Self:
        """Build from plain values. Raises `ConfigError` with the path of each wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(validation_text(error, where)) from error

    def over(self, items: ItemTable) -> Hider:
        """Return what finds the hidden rows of many histories over one catalogue."""
        columns = columns_of(items)
        usual = np.inf if self.default_days is None else self.default_days
        wait = np.full(len(items), np.inf)
        named = np.zeros(len(items), dtype=np.bool_)
        for category, days in self.repurchase_days.items():
            rows = columns.categories.rows(category)
            wait[rows] = np.minimum(wait[rows], days)
            named[rows] = True
        wait[~named] = usual
        rows = items.vocabulary.rows(self.item_ids)
        return Hider(self, items, wait * DAY, rows[rows >= 0])

    def never(self, items: ItemTable) -> ItemRows:
        """Return the rows that are shown to nobody, ascending: those of ``item_ids``, and their variants if asked."""
        rows = items.vocabulary.rows(self.item_ids)
        rows = np.unique(rows[rows >= 0])
        return with_variants(items, rows) if self.hide_variants and len(rows) else rows

    def hidden(self, items: ItemTable, history: Events, now: int) -> ItemRows:
        """Return the rows to hide from one shopper, ascending: ``over(items).rows(history, now)``."""
        return self.over(items).rows(history, now)


@dataclass(frozen=True, eq=False)
class Hider:
    """`Exclusions` over one catalogue: ``wait`` (n,) is how many seconds an item stays away after a purchase."""

    exclusions: Exclusions
    items: ItemTable
    wait: NDArray[np.float64]
    always: ItemRows

    def rows(self, history: Events, now: int) -> ItemRows:
        """Return the rows to hide at epoch second ``now``, ascending; rows the catalogue lacks are left out."""
        rows = np.unique(np.concatenate([self.always, self._by_history(history, now)]))
        if self.exclusions.hide_variants:
            rows = with_variants(self.items, rows)
        return rows

    def _by_history(self, history: Events, now: int) -> ItemRows:
        rule = self.exclusions
        kinds = np.array([KIND_CODES[kind] for kind in rule.event_kinds], dtype=np.int8)
        hides = np.isin(history.kinds, kinds) & (history.rows >= 0) & (history.rows < len(self.items))
        rows, code, times = history.rows[hides], history.kinds[hides], history.times[hides]
        refused = np.isin(code, _REFUSED)
        # An opinion about something bought does not start the wait anew: the latest purchase does.
        bought = np.isin(code, _ACQUIRED)
        opinion = ~bought & ~refused & np.isin(rows, rows[bought])
        wait = self.wait[rows]
        for kind, days in rule.kind_days.items():
            own = code == KIND_CODES[kind]
            wait[own] = days * DAY
            refused &= ~own
            opinion &= ~own
        still = refused | ((now - times < wait) & ~opinion)
        hidden: ItemRows = rows[still]
        return hidden


def with_variants(items: ItemTable, rows: ItemRows) -> ItemRows:
    """Return ``rows`` and every other row with the parent of one of them, ascending."""
    parents = columns_of(items).parents
    names = {items.parents[row] for row in rows.tolist()} - {""}
    return np.unique(np.concatenate([rows, *(parents.rows(name) for name in names)]))


def refused(history: Events) -> frozenset[int]:
    """Return the rows whose latest event says that the shopper does not want them, or that it be forgotten.

    A refusal is a dislike, a return, "not-interested" or a low rating; having been shown the item again is no change
    of mind.
    """
    told = history.take(history.kinds != KIND_CODES["impression"])
    low = (told.kinds == KIND_CODES["rating"]) & (told.weights < 0)
    away = low | np.isin(told.kinds, [*_REFUSED, KIND_CODES["forget"]])
    latest = dict(zip(told.rows.tolist(), away.tolist(), strict=True))
    return frozenset(row for row, gone in latest.items() if gone)
