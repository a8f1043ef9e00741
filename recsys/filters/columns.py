"""The columns of a catalogue as filters and rules read them: made when first asked for, kept with the catalogue."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.ids import Vocabulary
from recsys.types import ItemRows, Offsets, RowMask, offsets_of


@dataclass(frozen=True, eq=False)
class Labels:
    """Which texts each item carries: none, one or many.

    Attributes:
        codes: text -> its code. flat, offsets: the codes of item i are ``flat[offsets[i]:offsets[i + 1]]``, each once.
    """

    codes: Mapping[str, int]
    flat: NDArray[np.int32]
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def some(self) -> RowMask:
        """(n,) True where an item carries any."""
        return np.diff(self.offsets) > 0

    @cached_property
    def _postings(self) -> tuple[ItemRows, Offsets]:
        order = np.argsort(self.flat, kind="stable")
        owner = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))
        return owner[order], offsets_of(np.bincount(self.flat, minlength=len(self.codes)))

    def rows(self, value: str) -> ItemRows:
        """Return the rows of the items that carry ``value``, ascending."""
        rows, starts = self._postings
        code = self.codes.get(value)
        return rows[:0] if code is None else rows[starts[code] : starts[code + 1]]

    def any_of(self, values: Iterable[str]) -> RowMask:
        """Return (n,), True where an item carries one of ``values``; a new array."""
        out = np.zeros(len(self), dtype=np.bool_)
        for value in values:
            out[self.rows(value)] = True
        return out

    def take(self, rows: ItemRows) -> NDArray[np.int32]:
        """Return (len(rows), widest) codes of some items, -1 pads; a row of -1 or beyond the catalogue has none."""
        here = (rows >= 0) & (rows < len(self))
        known = np.where(here, rows, 0)
        lengths = np.where(here, self.offsets[known + 1] - self.offsets[known], 0) if len(self) else rows * 0
        place = np.arange(int(lengths.max(initial=0)))
        inside = place < lengths[:, None]
        out = np.full(inside.shape, -1, dtype=np.int32)
        out[inside] = self.flat[(self.offsets[known][:, None] + place)[inside]]
        return out

    @classmethod
    def of(cls, values: Sequence[str]) -> Labels:
        """Build from one text an item; "" is none."""
        codes: dict[str, int] = {}
        flat = [codes.setdefault(v, len(codes)) for v in values if v]
        lengths = np.fromiter(map(bool, values), dtype=np.int64, count=len(values))
        return cls(codes, np.array(flat, dtype=np.int32), offsets_of(lengths))

    @classmethod
    def of_many(cls, values: Sequence[Iterable[str]]) -> Labels:
        """Build from many texts an item; repeated and empty ones are dropped."""
        codes: dict[str, int] = {}
        flat: list[int] = []
        lengths: list[int] = []
        for texts in values:
            own = [codes.setdefault(text, len(codes)) for text in texts if text]
            if len(own) > 1:
                own = list(dict.fromkeys(own))
            flat += own
            lengths.append(len(own))
        return cls(codes, np.array(flat, dtype=np.int32), offsets_of(np.array(lengths, dtype=np.int64)))


@dataclass(frozen=True, eq=False)
class Attribute:
    """One named attribute, whose values may be texts, numbers or true/false, one or many an item.

    Attributes:
        words: its texts. numbers, number_rows: its numbers, float64, and whose they are. flags, flag_rows: likewise.
    """

    words: Labels
    numbers: NDArray[np.float64]
    number_rows: ItemRows
    flags: NDArray[np.bool_]
    flag_rows: ItemRows

    @cached_property
    def some(self) -> RowMask:
        """(n,) True where an item has a value."""
        out = self.words.some.copy()
        out[self.number_rows] = True
        out[self.flag_rows] = True
        return out

    @classmethod
    def of(cls, attributes: Sequence[Mapping[str, Any]], name: str) -> Attribute:
        """Build from the attributes of every item; values of any other type, NaN and "" are as good as missing."""
        words: list[tuple[str, ...]] = [()] * len(attributes)
        numbers: list[float] = []
        number_rows: list[int] = []
        flags: list[bool] = []
        flag_rows: list[int] = []
        for row, value in [(row, named[name]) for row, named in enumerate(attributes) if name in named]:
            if isinstance(value, str):
                words[row] = (value,)
                continue
            many = value if isinstance(value, tuple | list | set | frozenset) else (value,)
            words[row] = tuple(v for v in many if isinstance(v, str)) if many is value else ()
            for v in many:
                if isinstance(v, bool):
                    flags.append(v)
                    flag_rows.append(row)
                elif isinstance(v, int | float) and not math.isnan(v):
                    numbers.append(_float(v))
                    number_rows.append(row)
        return cls(
            Labels.of_many(words),
            np.array(numbers, dtype=np.float64), np.array(number_rows, dtype=np.int32),
            np.array(flags, dtype=np.bool_), np.array(flag_rows, dtype=np.int32),
        )  # fmt: skip


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@dataclass(frozen=True, eq=False)
class CatalogueColumns:
    """The columns of one catalogue; `columns_of` finds them. What an item's availability is comes from the table."""

    brand_texts: list[str]
    category_texts: list[tuple[str, ...]]
    parent_texts: list[str]
    named: list[Mapping[str, Any]]
    _attributes: dict[str, Attribute] = field(default_factory=dict)

    @cached_property
    def brands(self) -> Labels:
        """Brand of each item."""
        return Labels.of(self.brand_texts)

    @cached_property
    def categories(self) -> Labels:
        """Categories of each item."""
        return Labels.of_many(self.category_texts)

    @cached_property
    def parents(self) -> Labels:
        """The product that each item is a variant of."""
        return Labels.of(self.parent_texts)

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        """Every attribute that some item has."""
        return frozenset().union(*self.named)

    def attribute(self, name: str) -> Attribute:
        """Return one attribute; a name that no item has gives one without values."""
        found = self._attributes.get(name)
        if found is None:
            found = Attribute.of(self.named, name)
            # Names come from outside: an endless stream of invented ones must not fill the memory.
            if name in self.attribute_names:
                self._attributes[name] = found
        return found

    def holds(self, items: ItemTable) -> bool:
        """Return whether these are the columns of ``items``."""
        return (
            self.brand_texts is items.brands and self.category_texts is items.categories
            and self.parent_texts is items.parents and self.named is items.attributes
        )  # fmt: skip


_known: weakref.WeakKeyDictionary[Vocabulary, CatalogueColumns] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def columns_of(items: ItemTable) -> CatalogueColumns:
    """Return the columns of a catalogue, made once; a table with items withdrawn shares those of the table before.

    Price, stock, creation time and availability are arrays already: filters read them from the table itself.
    """
    # A table has slots and cannot be referred to weakly; its vocabulary lives exactly as long.
    with _lock:
        found = _known.get(items.vocabulary)
        if found is None or not found.holds(items):
            found = CatalogueColumns(items.brands, items.categories, items.parents, items.attributes)
            _known[items.vocabulary] = found
        return found
