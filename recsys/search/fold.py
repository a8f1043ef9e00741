"""Variants of one product as one entry of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.search.lexicon import Ragged
from recsys.types import ItemRows, Slates, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Parents:
    """Which product each row is a variant of: ``codes`` (n_items,), a number per parent, -1 for none."""

    codes: NDArray[np.int32]
    names: Mapping[str, int]

    @classmethod
    def of(cls, items: ItemTable) -> Self:
        """Read the parents of a catalogue. An item that others name as their parent is a variant of itself."""
        return cls(np.empty(0, np.int32), {}).put(items, np.arange(len(items), dtype=np.int32))

    def put(self, items: ItemTable, changed: ItemRows) -> Self:
        """Return the parents of ``items``, of which ``changed`` rows are new or changed."""
        names = dict(self.names)
        codes = np.full(len(items), -1, np.int32)
        codes[: len(self.codes)] = self.codes
        listed = changed.tolist()
        codes[changed] = [names.setdefault(p, len(names)) if (p := items.parents[row]) else -1 for row in listed]
        named = dict.fromkeys(items.parents[row] for row in listed)
        named |= dict.fromkeys(items.vocabulary.ids(changed))
        own = [name for name in named if name in names]
        if own:
            rows = items.vocabulary.rows(own)
            numbers = np.array([names[name] for name in own], np.int32)
            alone = rows >= 0
            alone[alone] = codes[rows[alone]] < 0
            codes[rows[alone]] = numbers[alone]
        return type(self)(codes, names)

    def of_rows(self, rows: ItemRows) -> NDArray[np.int64]:
        """(m,) a number per product: those without a parent, or newer than this, are products of their own, below 0."""
        out = -rows.astype(np.int64) - 1
        known = (rows >= 0) & (rows < len(self.codes))
        codes = self.codes[rows[known]]
        out[known] = np.where(codes >= 0, codes, out[known])
        return out


def fold(slates: Slates, parents: Parents) -> tuple[Slates, Ragged]:
    """Keep of each list the first variant of every product; return the rest too: the rows folded under each entry.

    The ragged list i of the second holds the rows below entry i of the first, in their order.
    """
    items = slates.items
    group = parents.of_rows(items)
    order = np.lexsort((np.arange(len(items)), group, slates.request_index))
    g, owner = group[order], slates.request_index[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (g[1:] != g[:-1]) | (owner[1:] != owner[:-1])
    head = order[begins][np.cumsum(begins) - 1]  # of each entry of `order`: the first variant of its product
    kept = np.sort(order[begins])
    below = ~begins
    sizes = np.bincount(np.searchsorted(kept, head[below]), minlength=len(kept))
    rest = np.lexsort((order[below], head[below]))
    folded: ItemRows = items[order[below][rest]]
    lengths = np.bincount(slates.request_index[kept], minlength=len(slates))
    lists = Slates(
        items[kept], slates.scores[kept], offsets_of(lengths),
        {name: column[kept] for name, column in slates.columns.items()}, slates.notes,
    )  # fmt: skip
    return lists, Ragged(folded, offsets_of(sizes))


def cut(slates: Slates, below: Ragged, n: int) -> tuple[Slates, Ragged]:
    """Return the first ``n`` entries of each list, and what is folded below them."""
    place = slates.places
    kept = place < n
    inside = kept[below.owner]
    lists = Slates(
        slates.items[kept], slates.scores[kept], offsets_of(np.minimum(slates.lengths, n)),
        {name: column[kept] for name, column in slates.columns.items()}, slates.notes,
    )  # fmt: skip
    return lists, Ragged(below.codes[inside], offsets_of(np.diff(below.offsets)[kept]))


def first_products(slates: Slates, parents: Parents, n: int) -> Slates:
    """Return each list with all variants of its first ``n`` products, and nothing of the others."""
    owner = slates.request_index
    numbers, product = np.unique(parents.of_rows(slates.items), return_inverse=True)
    _, begin, which = np.unique(owner * max(1, len(numbers)) + product, return_index=True, return_inverse=True)
    head = begin[which]  # of each entry: where its product comes first
    ahead = np.concatenate([[0], np.cumsum(head == np.arange(len(head)))])  # products in front of each entry
    kept = np.flatnonzero(ahead[head] - ahead[slates.offsets[:-1]][owner] < n)
    return Slates(
        slates.items[kept], slates.scores[kept], offsets_of(np.bincount(owner[kept], minlength=len(slates))),
        {name: column[kept] for name, column in slates.columns.items()}, slates.notes,
    )  # fmt: skip


def below(listed: ItemRows, found: ItemRows, parents: Parents) -> dict[int, ItemRows]:
    """Return for each listed row the other variants of its product in ``found``, in their order; rows without any lack.

    ``listed`` holds one row of each product.
    """
    group = parents.of_rows(found)
    heads = dict(zip(parents.of_rows(listed).tolist(), listed.tolist(), strict=True))
    out: dict[int, list[int]] = {}
    for row, product in zip(found.tolist(), group.tolist(), strict=True):
        head = heads.get(product)
        if head is not None and head != row:
            out.setdefault(head, []).append(row)
    return {head: np.array(rows, dtype=np.int32) for head, rows in out.items()}
