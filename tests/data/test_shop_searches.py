from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from recsys.data.shop import make_shop
from recsys.data.shop.searches import LEAD_SECONDS, make_searches
from recsys.types import KIND_CODES


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_shoppers=400)


@pytest.fixture(scope="module")
def searches(shop):
    return make_searches(shop)


def test_the_seed_decides(shop, searches):
    assert make_searches(shop) == searches
    assert make_searches(shop, seed=1) != searches


def test_ids_are_distinct_and_times_in_order(searches):
    assert len({s.search_id for s in searches}) == len(searches)
    times = [s.time for s in searches]
    assert times == sorted(times)


def test_what_was_chosen_is_looked_at_right_after(shop, searches):
    log = shop.dataset.log
    views = log.events.kinds == KIND_CODES["view"]
    seen = {
        (log.users[u], int(t), int(r))
        for u, t, r in zip(log.owner[views], log.events.times[views], log.events.rows[views], strict=True)
    }
    rows = shop.dataset.items.vocabulary
    chosen = [s for s in searches if s.chosen]
    followed = [(s.user_id, s.time + LEAD_SECONDS, rows.row(s.chosen[0])) in seen for s in chosen]
    # The others find a product again that they had chosen for the same words before.
    assert np.mean(followed) > 0.85
    earlier = set()
    for s, at_once in zip(chosen, followed, strict=True):
        assert at_once or (s.user_id, s.text, s.chosen) in earlier
        earlier.add((s.user_id, s.text, s.chosen))


def test_shoppers_type_many_things_and_the_same_ones(searches):
    counts = Counter(s.text for s in searches)
    assert len(counts) > 300
    assert counts.most_common(1)[0][1] > 10
    assert sum(not s.chosen for s in searches) > 0.1 * len(searches)


def test_a_shop_without_looks_has_no_searches(shop):
    log = shop.dataset.log
    data = shop.dataset.with_log(log.where(log.events.kinds == KIND_CODES["impression"]))
    assert make_searches(replace(shop, dataset=data)) == []
