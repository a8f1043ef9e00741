"""What the items of a catalogue are said to be: brand, categories and attribute values, and which of them tell much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.dataset import ItemTable
from recsys.explain.claims import value_claims
from recsys.explain.facts_settings import FactSettings
from recsys.explain.facts_text import clean
from recsys.explain.strength import Ints
from recsys.profile.sensitive import READ, SensitiveWords
from recsys.types import offsets_of

Name = tuple[str, str]  # field, value as it is written
PRIVATE: Name = ("", "")  # stands for all that is never said, however long it is


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Which item has which value. Values that differ by case alone are one.

    Attributes:
        names: of each value, as first met; an item may write it in other letters (`surface`).
        index: (field, folded value) -> number. sensitive: (v,) never to be said.
        owner, value: (e,) row and value number of each entry, by row. counts: (v,) how many items hold each.
        n_items: how many items there are.
    """

    names: list[Name]
    index: dict[Name, int]
    sensitive: list[bool]
    owner: Ints
    value: Ints
    counts: Ints
    n_items: int

    @classmethod
    def of(cls, items: ItemTable, settings: FactSettings, words: SensitiveWords) -> ValueTable:
        """Read a whole catalogue."""
        empty = np.empty(0, dtype=np.int64)
        table = cls([], {}, [], empty, empty, empty, 0)
        return table.changed(items, np.arange(len(items)), settings, words)

    def changed(
        self, items: ItemTable, rows: NDArray[np.integer], settings: FactSettings, words: SensitiveWords
    ) -> ValueTable:  # fmt: skip
        """Return the table of ``items``, in which ``rows`` are new or described otherwise than before."""
        names, index, sensitive = list(self.names), dict(self.index), list(self.sensitive)
        owners: list[int] = []
        values: list[int] = []
        read: dict[Name, int] = {}  # the same words come back with every other item, and cleaning them takes time
        for row in sorted({int(r) for r in rows}):
            own: dict[int, None] = {}
            for raw in _raw(items, row):
                number = read.get(raw)
                if number is None:
                    private = _private(raw, words)
                    name = PRIVATE if private else said(raw, settings)
                    number = -1 if name is None else index.setdefault((name[0], name[1].casefold()), len(names))
                    if name is not None and number == len(names):
                        names.append(name)
                        sensitive.append(private)
                    read[raw] = number
                if number >= 0:
                    own[number] = None
            owners += [row] * len(own)
            values += own
        other = np.zeros(len(items), dtype=np.bool_)
        other[rows] = True
        keep = ~other[self.owner]
        owner = np.concatenate([self.owner[keep], np.array(owners, dtype=np.int64)])
        value = np.concatenate([self.value[keep], np.array(values, dtype=np.int64)])
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(value, minlength=len(names))
        return ValueTable(names, index, sensitive, owner[order], value[order], counts, len(items))

    def telling(self, common_share: float) -> sparse.csr_array:
        """Return ``(n_items, n_values)`` with the rarity of each value that an item has, in (0, 1].

        Rarity is idf over the idf of a value that two items share. Sensitive values, values that more than
        ``common_share`` of the items hold and values of a single item are left out.
        """
        n = max(self.n_items, 2)
        counts = np.maximum(self.counts, 1)
        rarity = np.log(n / counts) / max(np.log(n / 2), 1e-9)
        useful = (self.counts >= 2) & (self.counts <= common_share * n) & ~np.array(self.sensitive, dtype=np.bool_)
        keep = useful[self.value] & (rarity[self.value] > 0)
        owner, value = self.owner[keep], self.value[keep]
        indptr = offsets_of(np.bincount(owner, minlength=self.n_items))
        shape = (self.n_items, len(self.names))
        return sparse.csr_array((np.minimum(rarity[value], 1.0), value, indptr), shape=shape)

    def silent(self) -> NDArray[np.bool_]:
        """Return (n_items,) True for items that hold a sensitive value."""
        out = np.zeros(self.n_items, dtype=np.bool_)
        out[self.owner[np.array(self.sensitive, dtype=np.bool_)[self.value]]] = True
        return out


def said(raw: Name, settings: FactSettings) -> Name | None:
    """Return field and value as they can be said; None for what is no name: prose, a claim, nothing, a megabyte."""
    field, value = raw
    if len(value) > 4 * settings.value_limit or len(field) > 4 * settings.value_limit:
        return None  # before cleaning: not worth reading
    name = (clean(field, 4 * settings.value_limit), clean(value, 4 * settings.value_limit))
    short = all(0 < len(part) <= settings.value_limit for part in name)
    return name if short and not any(value_claims(part) for part in name) else None


def _private(raw: Name, words: SensitiveWords) -> bool:
    """Return whether a field or value touches a sensitive matter; values too long to be said are looked at as well."""
    return any(words.in_value(clean(part[:READ], READ)) for part in raw)


def surface(items: ItemTable, row: int, name: Name, settings: FactSettings) -> str:
    """Return the value as this very item writes it: another item may write it in other letters."""
    held = items.attributes[row].get(name[0])
    if name[1] == held or (name[0] == "brand" and name[1] == items.brands[row]):
        return name[1]  # cleaning a clean text changes nothing
    folded, written = (name[0], name[1].casefold()), list(_raw(items, row))
    if name in written:
        return name[1]
    for raw in written:
        own = said(raw, settings)
        if own is not None and (own[0], own[1].casefold()) == folded:
            return own[1]
    return name[1]


def _raw(items: ItemTable, row: int) -> Iterator[Name]:
    yield "brand", items.brands[row]
    for category in items.categories[row]:
        yield "category", category
    for field, value in items.attributes[row].items():
        for part in value if isinstance(value, tuple) else (value,):
            if part is True:
                yield field, "yes"
            elif isinstance(part, str):
                yield field, part
