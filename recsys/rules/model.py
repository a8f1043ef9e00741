"""What a merchant asks of every list: the rules as values, from TOML or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from recsys.dataset import ItemTable
from recsys.errors import ConfigError
from recsys.filters import Expr, matches, parse, to_json, to_text
from recsys.filters.fields import ATTRIBUTES, canonical, kind_of
from recsys.ids import MAX_ID_CHARS
from recsys.registry import validation_text
from recsys.types import Request, RowMask, utc

MAX_RULES = 200  # of one sort
MAX_POSITION = 1_000
MAX_LABEL = 60
MAX_QUERY = 1_000  # characters of a search that are looked at
Condition = Annotated[Expr, PlainValidator(parse), PlainSerializer(to_json)]
ItemId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]


class Rule(BaseModel):
    """What all rules share.

    Attributes:
        name: how the trace calls it; without one, what it says.
        starts, ends: when it holds, from ``starts`` (included) until ``ends``; "from" and "until" in TOML and JSON.
        query: it holds only for searches whose text has all these words; "" = for every list, but see `Pin`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field("", max_length=MAX_LABEL)
    starts: AwareDatetime | None = Field(None, alias="from")
    ends: AwareDatetime | None = Field(None, alias="until")
    query: str = Field("", max_length=200)

    @field_validator("query")
    @classmethod
    def _words(cls, value: str) -> str:
        if value and not words(value):
            raise ValueError(f"no word in {value!r}")
        return value

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError(f"from {self.starts.isoformat()} is not before until {self.ends.isoformat()}")
        return self

    def holds_at(self, now: int) -> bool:
        """Return whether epoch second ``now`` is within the window."""
        begun = self.starts is None or now >= utc(self.starts)
        return begun and (self.ends is None or now < utc(self.ends))

    def applies(self, requests: Sequence[Request]) -> NDArray[np.bool_]:
        """Return (b,), True where the rule holds for a request."""
        now = np.array([r.now for r in requests], dtype=np.int64)
        out = np.ones(len(requests), dtype=np.bool_)
        if self.starts is not None:
            out &= now >= utc(self.starts)
        if self.ends is not None:
            out &= now < utc(self.ends)
        if self.query:
            wanted = words(self.query)
            out &= np.array(
                [r.text is not None and wanted <= words(r.text[:MAX_QUERY]) for r in requests], dtype=np.bool_
            )
        return out


def words(text: str) -> set[str]:
    """Return the words of a text, in lower case."""
    return set(re.findall(r"\w+", text.casefold()))


class Aimed(Rule):
    """A rule about some items: those that meet ``condition`` ("if" in TOML and JSON) and those of ``item_ids``."""

    condition: Condition | None = Field(None, alias="if")
    item_ids: tuple[ItemId, ...] = Field((), max_length=1_000)

    @model_validator(mode="after")
    def _aimed(self) -> Self:
        if self.condition is None and not self.item_ids:
            raise ValueError("needs a condition (if) or item_ids")
        return self

    def mask(self, items: ItemTable) -> RowMask:
        """Return (n_items,), True where an item is meant."""
        out = np.zeros(len(items), dtype=np.bool_) if self.condition is None else matches(items, self.condition)
        rows = items.vocabulary.rows(self.item_ids)
        out[rows[rows >= 0]] = True
        return out

    @property
    def label(self) -> str:
        """Return how the trace calls the rule."""
        parts = [*self.item_ids[:4]] if self.condition is None else [to_text(self.condition), *self.item_ids[:4]]
        text = self.name or ", ".join(parts)
        return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 3]}..."


class Boost(Aimed):
    """Lifts items: one at place p is ordered as if it were at p / ``by``."""

    by: float = Field(gt=1, le=100)


class Bury(Aimed):
    """Lowers items: one at place p is ordered as if it were at p / ``by``; with 0 behind all others."""

    by: float = Field(ge=0, lt=1)


class Hide(Aimed):
    """Shows items to nobody; the engine takes them out before anything is generated."""


class Pin(Rule):
    """Puts an item at a place, 1 being the top, if it may be shown and the list is that long (else it comes last).

    It is put among the answers of a search only where ``query`` names the search.
    """

    item_id: ItemId
    position: int = Field(ge=1, le=MAX_POSITION)

    def applies(self, requests: Sequence[Request]) -> NDArray[np.bool_]:
        """Return (b,), True where the pin holds for a request."""
        return super().applies(requests) & _asked_for(self, requests)


class Cap(Rule):
    """At most so many items of one value of a field (category, brand, parent_id, attributes.NAME) in a list.

    With ``value`` only this one is counted. An item of several categories counts for each of them, one without any
    for none. What is over the cap is left out even if the list gets shorter; pins are counted but never left out.
    """

    field: str
    at_most: int = Field(ge=0, le=MAX_POSITION)
    value: str | None = None

    @field_validator("field")
    @classmethod
    def _field(cls, value: str) -> str:
        if kind_of(value) not in ("text", "labels", "any") or value == "item_id":
            raise ValueError(f"a cap counts category, brand, parent_id or attributes.NAME, got {value!r}")
        return canonical(value)

    @property
    def label(self) -> str:
        """Return how the trace calls the field."""
        return self.name or self.field.removeprefix(ATTRIBUTES)


class Explore(Rule):
    """Keeps places for items that came within the last ``days``, which no model knows well yet.

    The places are ``positions``, or ``share`` of the list, evenly spread, never the top. The items are drawn anew
    each day and for each shopper, first among the candidates, then in the whole catalogue; where there is none, the
    place goes to the next best item. A search explores only where ``query`` names it.
    """

    days: float = Field(30, gt=0, le=36_500)
    positions: tuple[Annotated[int, Field(ge=1, le=MAX_POSITION)], ...] = Field((), max_length=MAX_RULES)
    share: float = Field(0, ge=0, le=1)

    @model_validator(mode="after")
    def _places(self) -> Self:
        if bool(self.positions) == bool(self.share):
            raise ValueError("needs either positions or a share of the list")
        return self

    def applies(self, requests: Sequence[Request]) -> NDArray[np.bool_]:
        """Return (b,), True where the rule holds for a request."""
        return super().applies(requests) & _asked_for(self, requests)

    def slots(self, k: int) -> NDArray[np.int64]:
        """Return the 0-based places in a list of ``k``, ascending."""
        if self.positions:
            return np.array(sorted({p - 1 for p in self.positions if p <= k}), dtype=np.int64)
        n = int(self.share * k + 1e-9)
        every = np.ceil(np.arange(1, n + 1) * k / max(1, n)).astype(np.int64) - 1
        return every[every > 0]


def _asked_for(rule: Rule, requests: Sequence[Request]) -> NDArray[np.bool_]:
    return np.array([bool(rule.query) or r.text is None for r in requests], dtype=np.bool_)


class Rules(BaseModel):
    """Everything that a merchant asks of a list; `recsys.rules.apply` says in which order it is done.

    Attributes:
        boost, bury, hide, pin, caps, explore: see the classes of these names.
        diversity: 0 to 1, how much items unlike those above them are preferred (MMR).
        calibration: 0 to 1, how much a list as mixed as the shopper's history is preferred; only one of the two.
        exclude_shown: whether what is already on the page is left out.
        seed: of what is drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    boost: tuple[Boost, ...] = Field((), max_length=MAX_RULES)
    bury: tuple[Bury, ...] = Field((), max_length=MAX_RULES)
    hide: tuple[Hide, ...] = Field((), max_length=MAX_RULES)
    pin: tuple[Pin, ...] = Field((), max_length=MAX_RULES)
    caps: tuple[Cap, ...] = Field((), max_length=MAX_RULES)
    diversity: float = Field(0, ge=0, le=1)
    calibration: float = Field(0, ge=0, le=1)
    explore: Explore | None = None
    exclude_shown: bool = True
    seed: int = 0

    @model_validator(mode="after")
    def _one_diversity(self) -> Self:
        if self.diversity and self.calibration:
            raise ValueError("diversity and calibration both set the order: give one of them")
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "rules") -> Self:
        """Build from plain values. Raises `ConfigError` with the path of each wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(validation_text(error, where)) from error

    def plain(self) -> dict[str, Any]:
        """Return the rules as plain values, ready for JSON and TOML; what is as usual is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)

    def plus(self, other: Rules) -> Rules:
        """Return these rules and then the ``other`` ones; single settings are the other's where it sets them.

        What is set to its default counts as set: ``Rules(diversity=0)`` takes the shop's diversity away.

        Raises:
            ConfigError: together they are too many.
        """
        update = {name: getattr(other, name) for name in other.model_fields_set}
        for name in ("boost", "bury", "hide", "pin", "caps"):
            update[name] = (*getattr(self, name), *getattr(other, name))
            if len(update[name]) > MAX_RULES:
                raise ConfigError(f"rules.{name}: {len(update[name])} together, at most {MAX_RULES} are allowed")
        # The two orders exclude one another: who asks for one gives up the other, unless nothing is asked for.
        for name, rival in (("diversity", "calibration"), ("calibration", "diversity")):
            if getattr(other, name):
                update[rival] = 0.0
        return self.model_copy(update=update)

    def limits(self) -> Rules:
        """Return the rules that leave items out, without those that move items or bring them in."""
        return self.model_copy(
            update={"boost": (), "bury": (), "pin": (), "diversity": 0.0, "calibration": 0.0, "explore": None}
        )

    def visible(self, items: ItemTable, now: int, text: str | None = None) -> RowMask | None:
        """Return (n_items,), False where an item is hidden at ``now`` (from a search for ``text``); None = none is."""
        asked = [Request(text=text, now=now)]
        active = [rule for rule in self.hide if rule.applies(asked)[0]]
        if not active:
            return None
        out: RowMask = ~np.logical_or.reduce([rule.mask(items) for rule in active])
        return out

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do, save for what is already on a page."""
        return not (
            self.boost or self.bury or self.hide or self.pin or self.caps or self.diversity or self.calibration
            or self.explore
        )  # fmt: skip

    def pool(self, k: int) -> int:
        """Return how many ranked items are needed to make lists of ``k``: rules need something to choose from."""
        return k if self.idle else max(10 * k, 200)
