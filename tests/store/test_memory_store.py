from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from store_toys import COLUMNS, ITEMS, assert_same, assert_same_log, event

from recsys.dataset import Dataset, EventLog
from recsys.errors import DataError
from recsys.protocols import Deps
from recsys.store.memory import MemoryStore
from recsys.testing.kits.base import Make
from recsys.testing.kits.stores import StoreTests
from recsys.types import Event, Events, Item, Review


class TestMemoryStore(StoreTests):
    @pytest.fixture
    def component(self) -> Make:
        return MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore.of(
        Dataset.of(
            ITEMS,
            [event("ann", 0, 10, "a0"), event("ann", 1, 20), event("bob", 2, 15), event("cat", 3, 5, "c0")],
            [Review(user_id="ann", item_id="i0", text="fine", review_id="r1", time=30, rating=4.0)],
        )
    )


def test_a_data_set_is_loaded_as_it_is(small_shop: Dataset) -> None:
    store = MemoryStore.of(small_shop)
    assert_same_log(store.log(), small_shop.log)
    assert store.log() is store.log()
    assert store.log().events.rows is small_shop.log.events.rows
    assert store.items() is small_shop.items
    assert store.reviews() == tuple(small_shop.reviews)
    for group, user in enumerate(small_shop.log.users):
        assert_same(store.history(user), small_shop.log.history(group))


def test_weights_of_the_config_apply_everywhere(store: MemoryStore) -> None:
    custom = MemoryStore.of(store.dataset(), weights={"interaction": 0.25, "view": -2.0})
    custom.put_events([event("ann", 2, 30, kind="view")])
    assert custom.history("ann").weights.tolist() == [0.25, 0.25, -2.0]
    assert custom.log().events.weights.tolist() == [0.25, 0.25, -2.0, 0.25, 0.25]
    built = MemoryStore.from_config(MemoryStore.Config(weights={"view": 0.5}), Deps(items=store.items()))
    assert built.items() is store.items()
    built.put_events([event("x", 0, 1, kind="view"), event("x", 0, 1)])
    assert built.history("x").weights.tolist() == [0.5, 1.0]
    assert len(MemoryStore.from_config(MemoryStore.Config(), Deps()).items()) == 0


@pytest.mark.parametrize("weights", [{"buy": 1.0}, {"view": float("nan")}])
def test_config_names_wrong_weights(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="needs finite weights"):
        MemoryStore.Config(weights=weights)
    with pytest.raises(ValidationError):
        MemoryStore.Config(path="x")  # type: ignore[call-arg]


def test_history_knows_no_future_return(store: MemoryStore) -> None:
    store.put_events([event("ann", 0, 50, kind="return")])
    assert store.history("ann").weights.tolist() == [0, 1, -1]
    assert store.history("ann", before=50).weights.tolist() == [1, 1]
    assert store.history("ann", limit=1).weights.tolist() == [-1]
    assert store.log().events.weights.tolist() == [0, 1, -1, 1, 1]
    # and the same once the log holds it, where the weight of the purchase is 0 already
    assert store.history("ann", before=50).weights.tolist() == [1, 1]
    assert store.history("ann", before=datetime.fromtimestamp(50, UTC)).times.tolist() == [10, 20]


def test_history_refuses_negative_limits(store: MemoryStore) -> None:
    with pytest.raises(DataError, match="limit"):
        store.history("ann", limit=-1)


def test_late_events_and_equal_times(store: MemoryStore) -> None:
    assert store.put_events([event("ann", 4, 10), event("ann", 5, 9), event("ann", 2, 20), event("ann", 3, 10)]) == 4
    assert store.history("ann").rows.tolist() == [5, 0, 4, 3, 1, 2]
    assert store.history("ann").times.tolist() == [9, 10, 10, 10, 20, 20]
    assert store.history("ann").ids == ("", "a0", "", "", "", "")
    assert_same(store.history("bob"), Events.of([2], times=[15]))


def test_events_without_time_happen_now() -> None:
    ticks = iter([100, 200])
    store = MemoryStore(clock=lambda: next(ticks))
    store.put_items(ITEMS)
    store.put_events([event("ann", 0, None), event("ann", 1, 150)])
    store.put_events([event("ann", 2, None)])
    assert store.history("ann").times.tolist() == [100, 150, 200]


def test_known_event_ids_of_a_loaded_log(store: MemoryStore) -> None:
    assert store.put_events([event("ann", 0, 10, "a0"), event("zoe", 1, 11, "c0"), event("zoe", 1, 11, "z0")]) == 1
    assert store.history("zoe").ids == ("z0",)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Event(user_id="ann", item_id="nowhere", time=1), "unknown item_id 'nowhere'"),
        (event("u" * 300, 0, 1), "user_id must have at most 256"),
        (event("ann", 0, 1, "e" * 300), "event_id must have at most 256"),
        (event("ann", 0, 1_700_000_000_000), "milliseconds"),
        (event("ann", 0, 1, value=1e300), "beyond float32"),
        (event("ann", 0, 1, position=40_000), "position must be at most 32767"),
    ],
)
def test_one_bad_event_refuses_the_batch(store: MemoryStore, bad: Event, message: str) -> None:
    before = store.log()
    good = event("new", 0, 1, "fresh")
    with pytest.raises(DataError, match=message):
        store.put_events([good, bad])
    assert store.log() is before
    assert store.put_events([good]) == 1


def test_loading_refuses_what_it_could_not_serve(store: MemoryStore) -> None:
    data = store.dataset()
    twice = EventLog(replace(data.log.events, ids=("x", "", "x", "")), data.log.offsets, data.log.users)
    with pytest.raises(DataError, match="event_id 'x' occurs twice"):
        MemoryStore.of(data.with_log(twice))
    late = EventLog(replace(data.log.events, times=data.log.events.times + 10**12), data.log.offsets, data.log.users)
    with pytest.raises(DataError, match="milliseconds"):
        MemoryStore.of(data.with_log(late))


def test_histories_cannot_be_written_into(store: MemoryStore) -> None:
    store.put_events([event("bob", 0, 99)])
    for user in ("ann", "bob"):
        history = store.history(user)
        for name in COLUMNS:
            with pytest.raises(ValueError, match="read-only"):
                getattr(history, name)[0] = 1


def test_withdrawn_items_keep_their_row_and_come_back(store: MemoryStore) -> None:
    before = store.items()
    assert store.withdraw(["i3", "i1"]).tolist() == [3, 1]
    assert store.items().available.tolist() == [True, False, True, False, True, True]
    assert before.available.all()
    assert store.put_events([event("ann", 1, 99, kind="return")]) == 1
    with pytest.raises(DataError, match="unknown item_id 'i9'"):
        store.withdraw(["i0", "i9"])
    assert store.items().available[0]
    assert store.put_items([ITEMS[3]]).tolist() == [3]
    assert store.items().available[3]


def test_put_items_returns_a_row_for_each(store: MemoryStore) -> None:
    table = store.items()
    assert store.put_items([]).tolist() == []
    assert store.items() is table
    new = Item(item_id="new", title="first")
    assert store.put_items([new, ITEMS[2], replace(new, title="last")]).tolist() == [6, 2, 6]
    assert store.items().titles[6] == "last"


def test_merge_takes_reviews_along_and_makes_the_customer(store: MemoryStore) -> None:
    assert store.merge("ann", "ann") == 0
    assert store.merge("nobody", "ann") == 0
    assert store.merge("ann", "dora") == 2
    assert store.log().users == ("bob", "cat", "dora")
    assert [r.user_id for r in store.reviews()] == ["dora"]
    assert store.history("dora").rows.tolist() == [0, 1]
    with pytest.raises(DataError, match="user_id"):
        store.merge("dora", "")


def test_erase_leaves_nothing(store: MemoryStore) -> None:
    store.put_events([event("ann", 5, 40, "a9"), event("eve", 0, 1, "v0")])
    assert store.erase("ann") == 3
    assert store.export("ann") == []
    assert store.reviews() == ()
    assert store.log().users == ("bob", "cat", "eve")
    for part in (store, store._histories):
        assert not any(word in repr(vars(part)) for word in ("'ann'", "'a9'", "'a0'", "'r1'"))
    # Sent again, the event counts: not even its id was kept.
    assert store.put_events([event("ann", 5, 40, "a9")]) == 1
    assert store.put_reviews([Review(user_id="ann", item_id="i0", text="x", review_id="r1")]) == 1
    assert store.erase("eve") == 1
    assert store.erase("stranger") == 0


def test_erase_after_merge_forgets_the_guest_too(store: MemoryStore) -> None:
    store.merge("ann", "bob")
    assert store.erase("bob") == 3
    assert "'ann'" not in repr(vars(store._histories))
    assert store.log().users == ("cat",)


def test_export(store: MemoryStore) -> None:
    store.put_events([event("ann", 5, 40, kind="rating", value=4.1, position=3)])
    assert store.export("nobody") == []
    events = [e for e in store.export("ann") if e["type"] == "event"]
    assert events[0] == {
        "type": "event", "user_id": "ann", "item_id": "i0", "kind": "interaction", "value": 1.0,
        "time": "1970-01-01T00:00:10+00:00", "event_id": "a0", "position": None,
    }  # fmt: skip
    assert events[2]["value"] == 4.1
    assert events[2]["position"] == 3
    assert store.export("ann")[3:] == [
        {
            "type": "review", "user_id": "ann", "item_id": "i0", "text": "fine", "summary": "", "rating": 4.0,
            "time": "1970-01-01T00:00:30+00:00", "review_id": "r1",
        }
    ]  # fmt: skip


def test_reviews_are_idempotent_and_checked(store: MemoryStore) -> None:
    new = Review(user_id="bob", item_id="i1", text="good", review_id="r2")
    anonymous = replace(new, review_id=None)
    assert store.put_reviews([new, new, anonymous, anonymous, replace(new, review_id="r1")]) == 3
    assert [r.review_id for r in store.reviews()] == ["r1", "r2", None, None]
    with pytest.raises(DataError, match="i99"):
        store.put_reviews([replace(new, review_id="r3"), replace(new, item_id="i99", review_id="r4")])
    with pytest.raises(DataError, match="user_id"):
        store.put_reviews([replace(new, user_id="")])
    assert store.put_reviews([replace(new, review_id="r3")]) == 1


def test_since_is_in_time_order_and_names_nobody(store: MemoryStore) -> None:
    store.put_events([event("zoe", 4, 12, "z0")])
    recent = store.since(10)
    assert recent.times.tolist() == [10, 12, 15, 20]
    assert recent.rows.tolist() == [0, 4, 2, 1]
    assert recent.ids == ()
    assert len(store.since(21)) == 0


def test_empty_groups_of_a_loaded_log_stay() -> None:
    data = Dataset.of(ITEMS, [event("ann", 0, 10), event("bob", 1, 20)])
    store = MemoryStore.of(data.with_log(data.log.where(data.log.events.times > 10)))
    store.put_events([event("cat", 2, 5)])
    assert store.log().users == ("ann", "bob", "cat")
    assert store.log().offsets.tolist() == [0, 0, 1, 2]
