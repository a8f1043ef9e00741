"""The lists that the old shop shows, and what a shopper clicks in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.causes import ASPECT, BRAND, CAUSES, COMPLEMENT, NONE, TASTE, TREND, Causes
from recsys.data.shop.tastes import Floats
from recsys.data.shop.vocabulary import departments

LIST_LENGTH = 10
MAX_CLICKS = 3
# Visits that open a department's page; the others see the front page.
DEPARTMENT_PAGE = 0.8
# An item of another department turns up on a department's page this often, relative to its own.
STRAY = 0.02
POPULARITY_POWER = 0.7
# The chance to look at position p is 1 / (1 + 0.3 (p - 1)): 1 at the top, about a quarter at the tenth.
EXAMINATION_LOSS = 0.3


def examination(position: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the chance that a shopper looks at each 1-based position."""
    return np.asarray(1 / (1 + EXAMINATION_LOSS * (position - 1)), dtype=np.float64)


def page_weights(popularity: Floats, causes: Causes) -> Floats:
    """Return (n_departments + 1, n) weights of items on each department's page; the last is the front page."""
    home = causes.catalogue.department[None, :] == np.arange(len(departments()))[:, None]
    bias = np.concatenate([np.where(home, 1.0, STRAY), np.ones((1, len(causes.catalogue)))])
    return np.asarray(bias * popularity**POPULARITY_POWER, dtype=np.float32)


def assemble(rng: np.random.Generator, weights: Floats) -> NDArray[np.int64]:
    """Return (v, 10) distinct rows, best first, drawn in proportion to (v, n) weights without replacement.

    An exponential race: dividing unit exponentials by the weights and sorting gives Plackett-Luce order.
    """
    keys = rng.standard_exponential(weights.shape, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        keys /= weights  # an item of weight 0 never arrives: inf, or NaN, which sorts behind it
    chosen = np.argpartition(keys, LIST_LENGTH, axis=1)[:, :LIST_LENGTH]
    order = np.argsort(np.take_along_axis(keys, chosen, axis=1), axis=1)
    return np.take_along_axis(chosen, order, axis=1)


def click_rates(utility: Floats, complement: Floats, care: Floats, loyal: NDArray[np.bool_], surge: Floats) -> Floats:
    """Return (n_causes, ...) the chance of a click for each cause, given that the shopper looks at the item.

    All arguments have one shape: true utility, share among complements, care-weighted quality, loyalty to the brand,
    strength of the trend.
    """
    rates = np.zeros((len(CAUSES), *utility.shape), dtype=np.float32)
    rates[TASTE] = 0.28 / (1 + np.exp(-1.6 * (utility - 1.6)))
    rates[COMPLEMENT] = np.minimum(0.8 * complement, 0.5)
    rates[ASPECT] = 0.04 * np.clip(care, 0, 1)
    rates[BRAND] = 0.04 * loyal
    rates[TREND] = np.minimum(0.03 * surge, 0.1)
    rates[NONE] = 0.032
    return rates
