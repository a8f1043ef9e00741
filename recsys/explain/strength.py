"""How strongly a history item speaks for a recommended one.

A contribution says what a generator made of an event; it does not say whether the two have anything to do with each
other. Popular items follow everything, and a shopper's last look is credited because it is the last. So the strength
of an event is built on *lift*: how often the item followed that product, against how often chance would have it, with
one lone coincidence added to the expectation so that a single shopper proves nothing. Variants of a product are one
product here, for they go with the same things.

    strength = s / (s + HALF),   s = weight ** 2 * FADE ** age * lift

``weight`` is the preference that the shopper's strongest act on the history item speaks of (a purchase 1, a look .3),
``age`` the sum of the squared weights of the items touched since: ten looks make a purchase little older, one further
purchase makes it one older. Chosen on the sample shop, whose reasons are known, on the even-numbered shoppers; the
figures of `recsys.eval.explanations` are of the odd-numbered ones. The choice is flat: FADE .6 to .85 and a unit of a
quarter to twice the median cost at most .02 of the reasons found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.types import offsets_of

FADE = 0.75
# Where the strength is one half: about one in ten causeless events of the sample shop gets that far.
HALF = 2.4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """What follows what, product by product, out of the matrix of an item-to-item generator.

    Attributes:
        matrix: (n, n) CSR, row = source, column = what followed it.
        product: (n_items,) the product of each row of the catalogue, which may have grown past ``n``.
        members, starts: rows of product p that the matrix knows are ``members[starts[p]:starts[p + 1]]``.
        out: (n_products,) what follows each product, summed. into: (n,) what leads to each item. total: of all.
        unit: the median entry, which stands for one lone coincidence.
    """

    matrix: sparse.csr_array
    product: Ints
    members: Ints
    starts: Ints
    out: Floats
    into: Floats
    total: float
    unit: float

    @classmethod
    def of(cls, matrix: sparse.csr_array, parents: Sequence[str]) -> Relations:
        """Build from a generator's matrix and the parent id of each item, "" = the item is a product of its own."""
        n = matrix.shape[0]
        product = products(parents)
        known = product[:n]
        order = np.argsort(known, kind="stable")
        counts = np.bincount(known, minlength=int(product.max(initial=-1)) + 1)
        rows = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
        positive = matrix.data[matrix.data > 0]
        return cls(
            matrix, product, order, offsets_of(counts),
            np.bincount(known, weights=rows, minlength=len(counts)).astype(np.float64),
            np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel(), float(rows.sum()),
            float(np.median(positive)) if len(positive) else 1.0,
        )  # fmt: skip

    def lift(self, sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]]) -> Floats:
        """Return (p,) how much more often ``targets`` followed the products of ``sources`` than chance would have it.

        0 for rows that the matrix does not know, however many variants of them it knows.
        """
        n = self.matrix.shape[0]
        out = np.zeros(len(sources))
        usable = np.flatnonzero((targets >= 0) & (targets < n) & (sources >= 0) & (sources < len(self.product)))
        if not len(usable):
            return out
        product, target = self.product[sources[usable]], targets[usable].astype(np.int64)
        first, count = self.starts[product], self.starts[product + 1] - self.starts[product]
        pair = np.repeat(np.arange(len(usable)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        seen = np.asarray(self.matrix[self.members[first[pair] + within], target[pair]], dtype=np.float64).ravel()
        together = np.bincount(pair, weights=seen, minlength=len(usable))
        expected = self.out[product] * self.into[target] / max(self.total, 1e-30)
        out[usable] = together / (expected + self.unit)
        return out


def products(parents: Sequence[str]) -> Ints:
    """Return (n,) a code for each item; items of one parent share it."""
    codes: dict[str | int, int] = {}
    keys = (parent or row for row, parent in enumerate(parents))
    return np.fromiter((codes.setdefault(key, len(codes)) for key in keys), dtype=np.int64, count=len(parents))


def related(generators: Mapping[str, Any], weights: Mapping[str, float], default: float) -> sparse.csr_array | None:
    """Return the sparse item-to-item matrix of the generator that weighs most in the fusion; None if there is none.

    A blend is looked into. An identity, what a shopper had before, relates nothing to anything else.
    """
    found: list[tuple[float, sparse.csr_array]] = []
    for name, generator in generators.items():
        weight = float(weights.get(name, default))
        for part in (generator, *getattr(generator, "parts", {}).values()):
            matrix = getattr(part, "matrix", None)
            if matrix is not None and sparse.issparse(matrix) and matrix.shape[0] == matrix.shape[1]:
                rows = sparse.csr_array(matrix)
                if rows.nnz and rows.nnz > np.count_nonzero(rows.diagonal()):
                    found.append((weight, rows))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def evidence(weight: Floats, recency: Floats, lift: Floats) -> Floats:
    """Return (p,) strengths in [0, 1) of history items by weight, recency and lift."""
    s = np.square(weight) * recency * lift
    return np.asarray(s / (s + HALF), dtype=np.float64)
