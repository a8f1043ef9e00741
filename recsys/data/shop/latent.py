"""What no catalogue field states about an item: its place on the taste axes, its qualities, what it goes with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import END, START, Catalogue
from recsys.data.shop.vocabulary import aspects

N_AXES = 8
N_COMPLEMENTS = 6
# Shares of the variance of an axis: only the first two could be guessed from catalogue fields.
TYPE_SHARE, BRAND_SHARE, PRODUCT_SHARE, VARIANT_SHARE = 0.20, 0.05, 0.65, 0.10
# The strongest complement of an item takes half of its complement events, the next half of that, and so on.
COMPLEMENT_FADE = 0.5
TRENDING_SHARE = 0.10
WEEK = 7 * 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Hidden facts of the n items, aligned with the catalogue rows.

    Attributes:
        axes: (n, 8) float32, each axis about standard normal over the catalogue.
        quality: (n, n_aspects) float32 in -1..1, 0 where the aspect does not apply (``applies`` False).
        appeal: (n,) > 0, how often it is bought for no reason of taste; mean 1.
        complements, affinity: (n, 6) rows and their probabilities, which sum to 1.
        surge_start, surge_length, surge_height: (n,) epoch seconds, seconds and strength; 0 = never a trend.
    """

    axes: NDArray[np.float32]
    quality: NDArray[np.float32]
    applies: NDArray[np.bool_]
    appeal: NDArray[np.float32]
    complements: NDArray[np.int32]
    affinity: NDArray[np.float32]
    surge_start: NDArray[np.float64]
    surge_length: NDArray[np.float64]
    surge_height: NDArray[np.float32]

    def surge(self, time: int) -> NDArray[np.float32]:
        """Return (n,) how strongly each item trends at an epoch second: it swells, peaks half-way and ebbs."""
        gone = (time - self.surge_start) / np.maximum(self.surge_length, 1)
        wave = np.sin(np.pi * np.clip(gone, 0, 1)) ** 2
        return np.asarray(self.surge_height * wave, dtype=np.float32)


def make_latent(rng: np.random.Generator, catalogue: Catalogue) -> Latent:
    """Draw the hidden facts of a catalogue."""
    n, n_products = len(catalogue), int(catalogue.parent.max()) + 1

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32)

    axes = (
        np.sqrt(TYPE_SHARE) * normal(len(catalogue.types), N_AXES)[catalogue.type]
        + np.sqrt(BRAND_SHARE) * normal(len(catalogue.brands), N_AXES)[catalogue.brand]
        + np.sqrt(PRODUCT_SHARE) * normal(n_products, N_AXES)[catalogue.parent]
        + np.sqrt(VARIANT_SHARE) * normal(n, N_AXES)
    )
    names = [a.name for a in aspects()]
    type_applies = np.array([[name in t.aspects for name in names] for t in catalogue.types])
    applies = type_applies[catalogue.type]
    craft = normal(len(catalogue.brands))[catalogue.brand, None]
    quality = np.tanh(0.25 + 0.35 * craft + 0.8 * normal(n_products, len(names))[catalogue.parent]) * applies
    appeal = np.exp(0.9 * normal(n_products)[catalogue.parent] + 0.5 * normal(n))
    complements, affinity = _complements(rng, catalogue, appeal)
    trending = rng.random(n_products) < TRENDING_SHARE
    begin, end = START.timestamp(), END.timestamp()
    start = rng.uniform(begin - 2 * WEEK, end - 2 * WEEK, n_products)
    height = trending * rng.lognormal(0.0, 0.5, n_products)
    return Latent(
        axes.astype(np.float32), quality.astype(np.float32), applies, (appeal / appeal.mean()).astype(np.float32),
        complements, affinity, start[catalogue.parent],
        rng.uniform(3 * WEEK, 7 * WEEK, n_products)[catalogue.parent],
        height[catalogue.parent].astype(np.float32),
    )  # fmt: skip


def _complements(
    rng: np.random.Generator, catalogue: Catalogue, appeal: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Choose for each product six others of the types that go with its type; its variants share them."""
    forms = {t.form: code for code, t in enumerate(catalogue.types)}
    by_type = [np.flatnonzero(catalogue.type == code) for code in range(len(catalogue.types))]
    fade = COMPLEMENT_FADE ** np.arange(N_COMPLEMENTS)
    rows = np.empty((len(catalogue), N_COMPLEMENTS), dtype=np.int32)
    for product in range(int(catalogue.parent.max()) + 1):
        variants = np.flatnonzero(catalogue.parent == product)
        kind = catalogue.types[catalogue.type[variants[0]]]
        pool = np.concatenate([by_type[forms[form]] for form in kind.goes_with])
        # Well-known items complement more: an exponential race orders the pool by appeal, with chance.
        pool = pool[np.argsort(rng.standard_exponential(len(pool)) / appeal[pool])]
        _, first = np.unique(catalogue.parent[pool], return_index=True)
        rows[variants] = pool[np.sort(first)][:N_COMPLEMENTS]
    affinity = np.broadcast_to((fade / fade.sum()).astype(np.float32), rows.shape)
    return rows, affinity
