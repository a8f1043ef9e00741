"""Reasons beside what the shopper wrote later: agreement, as published work measures it, and variety.

One review a shopper, their last about an item of the sample shop. The item's first touch and all that follows are cut
out of the log as in `recsys.eval.explanations_acts`, and the shopper's reviews from then on out of
the reviews: no reason can quote the very text that it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from recsys.data.shop import Shop
from recsys.data.shop.causes import SHOWN
from recsys.engine import Engine
from recsys.eval.explanations_acts import Acts, known_reviews, ranked_with, refitted
from recsys.eval.explanations_text import text_figures
from recsys.explain.causal import Rescore
from recsys.explaining import rescorer
from recsys.explanation import Explanation
from recsys.funnel import Funnel
from recsys.types import Request, Review, Slates

# (requests, listed, ranked, rescore) -> one explanation for each entry of ``listed``
Explain = Callable[[Sequence[Request], Slates, Slates, Rescore], Sequence[Explanation]]
# (funnel fitted without the acts, their log, the reviews known then) -> how that engine explains
Explainers = Callable[[Funnel, Any, Sequence[Review]], Explain]


def reviewed_acts(shop: Shop) -> tuple[Acts, list[int]]:
    """Return the first touch of the item of each shopper's last review, and the places of these reviews."""
    log, causes, reviews = shop.dataset.log, shop.truth.causes, shop.dataset.reviews
    group = {user: i for i, user in enumerate(log.users)}
    last: dict[int, int] = {}
    for place, review in enumerate(reviews):
        user = group.get(review.user_id, -1)
        if user >= 0 and (user not in last or (review.time or 0) >= (reviews[last[user]].time or 0)):
            last[user] = place
    users = np.array(sorted(last), dtype=np.int64)
    rows = shop.dataset.items.vocabulary.rows([reviews[last[u]].item_id for u in users.tolist()])
    events, owner = log.events, log.owner
    wanted = np.full(log.n_users, -2, dtype=np.int64)
    wanted[users] = rows
    touched = np.flatnonzero((events.rows == wanted[owner]) & (causes.codes != SHOWN))
    first = np.full(log.n_users, len(events), dtype=np.int64)
    np.minimum.at(first, owner[touched], touched)
    before = log.as_of(np.arange(len(events)) < first[owner])
    known = np.bincount(before.owner[before.events.weights > 0], minlength=log.n_users) > 0
    users = users[(first[users] < len(events)) & known[users]]
    at = first[users]
    acts = Acts(before, users, events.rows[at], events.times[at], causes.codes[at], causes.items[at])
    return acts, [last[u] for u in users.tolist()]


def against_reviews(
    shop: Shop, engine: Engine, explainers: Explainers, n: int = 300, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return variety of the texts and their agreement with the shoppers' own reviews; "n" counts them.

    Args:
        shop: with reviews. engine: fitted on it; its generators are fitted anew.
        explainers: makes the explaining part of an engine out of what was known then.
        n: at most so many reviews, of odd-numbered shoppers, drawn by ``seed``.
        seed: see ``n``.
    """
    acts, places = reviewed_acts(shop)
    odd = np.flatnonzero(acts.users % 2 == 1)
    chosen = np.sort(np.random.default_rng(seed).permutation(odd)[:n])
    acts, places = acts.take(chosen), [places[i] for i in chosen.tolist()]
    funnel = refitted(engine, shop, acts.log, seed=seed)
    requests = acts.requests(len(shop.dataset.items), engine.config.events.history_limit)
    ranked, listed = ranked_with(funnel, requests, acts.rows)
    explain = explainers(funnel, acts.log, known_reviews(shop, acts))
    said = explain(requests, listed, ranked, rescorer(funnel))
    spoken = [i for i, one in enumerate(said) if one.text]
    reviews, mentions = shop.dataset.reviews, shop.truth.mentions
    figures = text_figures(
        [said[i].text for i in spoken],
        [said[i].evidence for i in spoken],
        shop.truth.aspects,
        [reviews[places[i]].text for i in spoken],
        [mentions[places[i]][0][0] if mentions[places[i]] else "" for i in spoken],
    )
    return {**figures, "n": {"reviews": len(said), "texts": len(spoken)}}
