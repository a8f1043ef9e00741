"""The sample shop put together: catalogue, shoppers, a year of events, reviews, queries, and the truth behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.data.shop.behaviour import Simulation
from recsys.data.shop.catalogue import END, make_catalogue
from recsys.data.shop.causes import Causes
from recsys.data.shop.latent import make_latent
from recsys.data.shop.queries import GradedQuery, make_queries
from recsys.data.shop.reviews import write_reviews
from recsys.data.shop.shoppers import make_shoppers
from recsys.data.shop.truth import EventCauses, Truth
from recsys.data.shop.vocabulary import aspects
from recsys.dataset import Dataset
from recsys.errors import ConfigError

MAX_SHOPPERS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """A shop whose answers are known: what an engine may see, and in ``truth`` what it may not."""

    dataset: Dataset
    truth: Truth
    queries: tuple[GradedQuery, ...]


def make_shop(seed: int = 0, n_shoppers: int = 5000) -> Shop:
    """Return the sample shop of a seed: about 2,300 products, a year of events that ends with 31 October 2026.

    Everything follows from the seed; the catalogue and its hidden facts do not depend on ``n_shoppers``.

    Raises:
        ConfigError: ``seed`` is negative, or ``n_shoppers`` is not in 1..100,000.
    """
    if seed < 0:
        raise ConfigError(f"seed must not be negative, got {seed}")
    if not 1 <= n_shoppers <= MAX_SHOPPERS:
        raise ConfigError(f"shoppers must be between 1 and {MAX_SHOPPERS:,}, got {n_shoppers}")
    goods, people, year, words, asked = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5))
    catalogue = make_catalogue(goods)
    latent = make_latent(goods, catalogue)
    world = Causes(catalogue, latent, make_shoppers(people, n_shoppers, catalogue, latent))
    simulation = Simulation(year, world)
    # Many small matrix products: waiting for a second thread costs more than it brings.
    with threadpool_limits(1, user_api="blas"):
        record = simulation.run().record(int(END.timestamp()) - 1)
    reviews, mentions = write_reviews(words, world, record)
    info = {"has_times": True, "has_positions": True, "seed": seed, "shoppers": n_shoppers}
    dataset = Dataset(catalogue.items, record.log, reviews, name="shop", info=info)
    rows = np.where(record.reasons >= 0, record.log.events.rows[record.reasons], -1).astype(np.int32)
    causes = EventCauses(record.causes, record.reasons, rows)
    truth = Truth(causes, world, simulation.popularity, tuple(a.name for a in aspects()), mentions)
    return Shop(dataset, truth, make_queries(asked, catalogue))
