from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from engine_toys import CONFIG, FUSED, NOW, SHOPPERS, event, fitted, ids, score

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.store.memory import MemoryStore
from recsys.testing.worlds import DAY, small_shop
from recsys.types import Event, Filter, Item


@pytest.fixture(scope="module")
def trained() -> Engine:
    """One with a ranker, for tests that change nothing."""
    return fitted(CONFIG)


def test_guests_and_strangers_get_what_is_popular(trained):
    counts = trained.fitted.generators["popularity"].item_scores()
    stock = trained.store.items().stock
    best = [
        f"SKU-{row:03d}" for row in np.argsort(-counts, kind="stable").tolist() if stock[row] != 0 and counts[row] > 0
    ]
    for user in (None, "a-stranger"):
        assert ids(trained.recommend(user, k=5, variant="fused")) == best[:5]
        assert len(trained.recommend(user, k=5)) == 5


def test_a_new_shopper_gets_a_sensible_list_from_the_first_event_on():
    engine = fitted()
    before = ids(engine.recommend("newcomer", k=5))
    assert before == ids(engine.recommend(None, k=5))
    engine.add_events([event("newcomer", 17)])  # department 2, running
    after = ids(engine.recommend("newcomer", k=5))
    assert sum(16 <= int(i[-3:]) < 24 for i in after) >= 4
    assert "SKU-017" not in after
    assert sum(16 <= int(i[-3:]) < 24 for i in before) < 4


def test_a_look_is_enough_and_hides_nothing():
    engine = fitted()
    engine.add_events([event("newcomer", 17, "view")])
    after = ids(engine.recommend("newcomer", k=8))
    assert sum(16 <= int(i[-3:]) < 24 for i in after) >= 5
    assert "SKU-017" in after


def test_the_page_counts_like_a_look_and_is_not_recommended(trained):
    plain = trained.recommend(None, k=6, variant="fused")
    page = trained.recommend(None, k=6, context=["SKU-017", "SKU-018"], variant="fused")
    assert ids(page) != ids(plain)
    assert not {"SKU-017", "SKU-018"} & set(ids(page))
    assert sum(16 <= int(i[-3:]) < 24 for i in ids(page)) >= 4
    assert len(trained.store.history("newcomer")) == 0


@pytest.mark.parametrize("config", [FUSED, CONFIG])
def test_a_new_item_is_recommended_without_refit(config):
    engine = fitted(config)
    twin = replace(engine.store.items().item(17), item_id="NEW-1", title="Reflective rain jacket anew", stock=5)
    engine.add_items([twin])
    engine.add_events([event("newcomer", 17)])
    assert ids(engine.recommend("newcomer", k=1, variant="like")) == ["NEW-1"]
    got = engine.recommend("newcomer", k=10)  # the seven others of its department have a past, it has none
    assert "NEW-1" in ids(got)
    assert next(r for r in got if r.item_id == "NEW-1").sources == ("attributes",)
    assert "NEW-1" in ids(engine.similar_items("SKU-017", k=8))
    assert "SKU-017" in ids(engine.similar_items("NEW-1", k=5))
    engine.add_events([Event(user_id="newcomer", item_id="NEW-1", kind="purchase", time=NOW + 60)])
    assert "NEW-1" not in ids(engine.recommend("newcomer", k=40))
    assert len(engine.recommend("newcomer", k=5)) == 5


def test_new_events_make_an_item_popular():
    engine = fitted()
    last = ids(engine.recommend(None, k=40))[-1]
    engine.add_events([event(f"fan-{i}", int(last[-3:])) for i in range(60)])
    assert ids(engine.recommend(None, k=1)) == [last]


@pytest.mark.parametrize("kind", ["dislike", "return", "not-interested"])
def test_dislikes_and_returns_have_a_sign_and_hide_the_item(kind):
    engine = fitted()
    engine.add_events([event("pro", 17, "like"), event("contra", 17, kind)])
    kin = "SKU-018"
    liked, neutral, disliked = (score(engine, u, kin, variant="like") for u in ("pro", "stranger", "contra"))
    assert liked > neutral >= disliked
    for user in ("pro", "contra"):
        assert "SKU-017" not in ids(engine.recommend(user, k=40))
    assert kin in ids(engine.recommend("pro", k=5))
    assert kin not in ids(engine.recommend("contra", k=5, variant="like"))


def test_a_return_takes_a_purchase_back():
    engine = fitted()
    engine.add_events([event("shopper", 17), event("shopper", 1, time=NOW + 60)])
    bought = score(engine, "shopper", "SKU-018", variant="like")
    engine.add_events([event("shopper", 17, "return", NOW + DAY)])
    assert score(engine, "shopper", "SKU-018", variant="like") < bought
    assert "SKU-017" not in ids(engine.recommend("shopper", k=40))


def test_events_are_idempotent_also_in_what_is_popular():
    engine = fitted()
    one = event("newcomer", 20, event_id="evt-once")
    assert engine.add_events([one, one]) == 1
    counts = engine.fitted.generators["popularity"].item_scores().copy()
    assert engine.add_events([one]) == 0
    assert engine.add_events([one, event("newcomer", 21, "view", event_id="evt-look")]) == 1
    after = engine.fitted.generators["popularity"].item_scores()
    assert after[20] == counts[20]
    assert after[21] > counts[21]
    assert len(engine.store.history("newcomer")) == 2


def test_a_late_event_counts_for_its_own_item():
    engine = fitted()
    engine.add_events([event("newcomer", 20, time=NOW)])
    before = engine.fitted.generators["popularity"].item_scores().copy()
    engine.add_events([event("newcomer", 21, time=NOW - DAY), event("newcomer", 22, "dislike", time=NOW - 2 * DAY)])
    grown = engine.fitted.generators["popularity"].item_scores() > before
    assert np.flatnonzero(grown).tolist() == [21]


def test_an_event_without_a_time_happens_now():
    engine = fitted()
    engine.add_events([event("newcomer", 20, time=int(time.time()) - 30 * DAY)])
    engine.add_events([event("newcomer", 22, time=None), event("newcomer", 22, time=None)])
    counts = engine.fitted.generators["popularity"].item_scores()
    assert np.argmax(counts) == 22
    assert counts[22] == pytest.approx(2, abs=0.01)
    assert counts[20] < 1


def test_a_batch_with_an_unknown_item_is_refused_whole():
    engine = fitted()
    with pytest.raises(DataError, match="unknown item_id 'SKU-777'"):
        engine.add_events([event("newcomer", 3), event("newcomer", 777)])
    assert len(engine.store.history("newcomer")) == 0
    assert engine.add_events([]) == 0


def test_stock_and_price_are_fresh_in_the_next_answer():
    engine = fitted()
    first = engine.recommend(SHOPPERS[2], k=3)[0]
    item = engine.store.items().item(int(first.item_id[-3:]))
    engine.add_items([replace(item, price=1.25, stock=2)])
    cheaper = next(r for r in engine.recommend(SHOPPERS[2], k=5) if r.item_id == first.item_id)
    assert (cheaper.price, cheaper.stock) == (1.25, 2)
    engine.store.put_items([replace(item, price=1.25, stock=0)])  # past the engine, as another process would
    assert first.item_id not in ids(engine.recommend(SHOPPERS[2], k=40))
    assert first.item_id in ids(engine.recommend(SHOPPERS[2], k=40, where=Filter(in_stock=False)))
    assert first.item_id not in ids(engine.recommend(SHOPPERS[2], k=40, where=Filter(in_stock=False, min_price=2.0)))


def test_withdrawn_items_are_never_shown_until_they_are_back():
    engine = fitted()
    first = engine.recommend(SHOPPERS[2], k=3)[0].item_id
    item = engine.store.items().item(int(first[-3:]))
    engine.withdraw([first])
    assert first not in ids(engine.recommend(SHOPPERS[2], k=40, where=Filter(in_stock=False)))
    with pytest.raises(DataError, match="unknown item_id 'SKU-999'"):
        engine.withdraw(["SKU-999"])
    engine.add_items([item])
    assert first in ids(engine.recommend(SHOPPERS[2], k=40))


@pytest.mark.parametrize("variant", ["no-llm", "fused", "mixed-up"])
def test_nothing_outside_the_filter_is_ever_shown(trained, variant):
    table = trained.store.items()
    three = ("SKU-002", "SKU-013", "SKU-029")
    rest = tuple(i for i in table.ids if i not in three)
    for got in trained.recommend_batch([*SHOPPERS, None], k=10, where=Filter(exclude_item_ids=rest), variant=variant):
        assert set(ids(got)) <= set(three)
        assert len(got) >= 1
    where = Filter(brands=("Hearthly", "Tarn"), max_price=40.0)
    for got in trained.recommend_batch([*SHOPPERS, None], k=40, where=where, variant=variant):
        for r in got:
            row = table.vocabulary.row(r.item_id)
            assert table.brands[row] in where.brands
            assert r.price <= 40.0
            assert r.stock != 0


def test_a_filter_that_nothing_passes(trained):
    assert len(trained.recommend(SHOPPERS[0], where=Filter(brands=("Nobody",)))) == 0


def test_guest_becomes_customer():
    engine = fitted()
    engine.add_events([event("guest-7f", 17), event("customer", 1, time=NOW - DAY)])
    before = ids(engine.recommend("customer", k=6))
    assert engine.merge("guest-7f", "customer") == 1
    after = ids(engine.recommend("customer", k=6))
    assert sum(16 <= int(i[-3:]) < 24 for i in after) > sum(16 <= int(i[-3:]) < 24 for i in before)
    assert "SKU-017" not in after
    assert ids(engine.recommend("guest-7f", k=6)) == ids(engine.recommend(None, k=6))


def test_erased_shoppers_are_strangers():
    engine = fitted()
    n = len(engine.store.history(SHOPPERS[5]))
    assert engine.erase(SHOPPERS[5]) == n > 0
    assert len(engine.store.history(SHOPPERS[5])) == 0
    assert ids(engine.recommend(SHOPPERS[5])) == ids(engine.recommend(None))
    assert engine.erase("never-here") == 0


def test_a_call_keeps_the_snapshot_that_it_began_with():
    engine = fitted()
    old = engine.fitted
    scores = old.generators["popularity"].item_scores().copy()
    engine.add_events([event("fan", 20) for _ in range(9)])
    engine.add_items([Item(item_id="NEW-1", title="kettle")])
    assert engine.fitted is not old
    assert np.array_equal(old.generators["popularity"].item_scores(), scores)
    assert old.generators["attributes"].n_items == 40
    assert engine.fitted.generators["attributes"].n_items == 41


def test_many_threads_at_once(race):
    engine = fitted(CONFIG)

    def asking(users: list[str]) -> None:
        for user in users:
            for got in (
                engine.recommend(user, k=6, strict=True),
                engine.rank(user, ["SKU-001", "SKU-002"], strict=True),
            ):
                assert len(got) > 1

    def adding() -> None:
        for n in range(25):
            engine.add_items([Item(item_id=f"NEW-{n}", title=f"steel kettle {n}", categories=("Home", "Kitchen"))])
            engine.add_events([
                Event(user_id=SHOPPERS[n % 4], item_id=f"NEW-{n}", kind="view", time=NOW + n),
                event(f"crowd-{n}", n % 39, time=NOW + n),
            ])  # fmt: skip

    race([adding], [partial(asking, SHOPPERS[i : i + 4]) for i in (0, 2)])
    assert len(engine.store.items()) == 65
    assert engine.fitted.generators["attributes"].n_items == 65


def test_old_purchases_stay_hidden_behind_many_impressions() -> None:
    data = small_shop()
    settings = {
        "candidates": {"popularity": {}},
        "rank": {},
        "variants": {"no-llm": {}},
        "events": {"history_limit": 3},
    }
    engine = Engine(EngineConfig.of(settings)).fit(data)
    bought = engine.recommend(None, k=1)[0].item_id
    others = [i for i in data.items.ids if i != bought][:8]
    engine.add_events([Event(user_id="old", item_id=bought, kind="purchase", time=1_700_000_000)])
    engine.add_events(
        [Event(user_id="old", item_id=i, kind="impression", time=1_700_000_100 + n) for n, i in enumerate(others)]
    )
    engine.add_events(
        [Event(user_id="old", item_id=i, kind="view", time=1_700_000_200 + n) for n, i in enumerate(others)]
    )
    assert bought not in [r.item_id for r in engine.recommend("old", k=len(data.items))]


def dearer(engine: Engine) -> list[Item]:
    """The catalogue with the cheapest item the dearest and so on."""
    held = engine.store.items()
    return [replace(held.item(row), price=float(1000 - row)) for row in range(len(held))]


def test_searches_sort_and_count_by_the_prices_of_now(tmp_path):
    engine = fitted()
    text = engine.fitted.generators["text"]
    engine.search("steel", k=3, facets=True)
    engine.add_items(dearer(engine))
    # The words are what they were: nothing is read anew for a price.
    assert engine.fitted.generators["text"].index is text.index
    engine.save(tmp_path / "b")
    store = MemoryStore.of(small_shop())
    other = Engine.load(tmp_path / "b", store=store)  # here prices are the old ones
    for one, low in ((engine, 900), (other, 0)):
        found = one.search("steel", k=5, sort="price-asc", facets=True)
        prices = [r.price for r in found]
        assert prices == sorted(prices)
        assert all(low <= p <= low + 100 for p in prices)
        assert all(low <= p["low"] <= low + 101 for p in found.facets["prices"])


def test_a_price_is_news_to_nobody_who_reads_descriptions_and_a_title_is():
    engine = fitted()
    seen = []

    class Listening:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def apply(self, delta):
            seen.append(delta.changed.tolist())
            return Listening(self.inner)

    snapshot = engine._current()
    parts = {**snapshot.fitted.generators, "popularity": Listening(snapshot.fitted.generators["popularity"])}
    engine._snapshot = engine._made(snapshot.items, replace(snapshot.fitted, generators=parts))
    item = engine.store.items().item(7)
    engine.add_items([replace(item, price=1.0, stock=9)])
    engine.add_items([replace(item, title="Another title"), replace(engine.store.items().item(8), stock=2)])
    engine.add_items([replace(item, title="Another title", parent_id="P")])
    engine.add_items([Item(item_id="NEW", title="kettle")])
    assert seen == [[], [7], [7], [40]]
    # What came past the engine is told of with the next item that does not.
    engine.store.put_items([Item(item_id="PAST", title="lantern"), replace(item, title="Past title")])
    engine.add_items([Item(item_id="NEW", title="kettle", price=2.0)])
    assert seen[4] == [7, 41]
    assert ids(engine.search("lantern past", k=2)) != []
