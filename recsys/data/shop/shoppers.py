"""The shoppers: what each of them likes, cares about and can be talked into. None of it is ever logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.catalogue import Catalogue
from recsys.data.shop.latent import N_AXES, Latent
from recsys.data.shop.vocabulary import departments

N_LOYAL = 3
N_CARES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Shoppers:
    """Hidden facts of b shoppers.

    Attributes:
        interest: (b, n_departments), sums to 1. axes: (b, 8) direction and strength of taste.
        price_taste, price_sense: (b,) preferred price level within a type and how much deviation hurts.
        cares: (b, n_aspects), sums to 1, mostly 0. loyal: (b, 3) brand codes.
        activity: (b,) expected visits a year. joined: (b,) share of the year that had gone by, 0 = from the start.
    """

    interest: NDArray[np.float32]
    axes: NDArray[np.float32]
    price_taste: NDArray[np.float32]
    price_sense: NDArray[np.float32]
    cares: NDArray[np.float32]
    loyal: NDArray[np.int32]
    activity: NDArray[np.float32]
    joined: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.activity)


def make_shoppers(rng: np.random.Generator, count: int, catalogue: Catalogue, latent: Latent) -> Shoppers:
    """Draw ``count`` shoppers."""
    n_departments = len(departments())
    interest = rng.dirichlet(np.full(n_departments, 0.3), size=count)
    interest = 0.97 * interest + 0.03 / n_departments
    n_aspects = latent.quality.shape[1]
    spread = rng.random((count, n_aspects))
    keep = np.argsort(spread, axis=1)[:, :N_CARES]
    cares = np.zeros((count, n_aspects))
    np.put_along_axis(cares, keep, rng.dirichlet(np.full(N_CARES, 1.5), size=count), axis=1)
    sold_in = np.zeros((len(catalogue.brands), n_departments))
    sold_in[catalogue.brand, catalogue.department] = 1
    # Exponential races draw without replacement: the smallest keys belong to brands of departments of interest.
    race = rng.standard_exponential((count, len(catalogue.brands))) / (interest @ sold_in.T)
    loyal = np.argsort(race, axis=1)[:, :N_LOYAL]
    joined = np.where(rng.random(count) < 0.65, 0.0, rng.uniform(0, 0.95, count))
    return Shoppers(
        interest.astype(np.float32),
        rng.standard_normal((count, N_AXES), dtype=np.float32),
        rng.standard_normal(count, dtype=np.float32) * np.float32(0.8),
        rng.gamma(2.0, 0.5, count).astype(np.float32),
        cares.astype(np.float32),
        loyal.astype(np.int32),
        rng.lognormal(np.log(7.0), 0.7, count).astype(np.float32),
        joined.astype(np.float32),
    )
