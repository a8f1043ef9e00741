"""Profiles over a running engine: what is seen, changed and forgotten, and that the next list follows."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from engine_toys import CHEAP, FUSED, NOW, SHOPPERS, event, fitted, ids, running, score
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.candidates.popularity import Popularity, Trending
from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.explanation import Explanation
from recsys.protocols import FitOptions
from recsys.store.memory import MemoryStore
from recsys.testing.worlds import DAY, small_shop
from recsys.types import Event, Item, Review, Search

RUNNING = range(16, 24)


def runner(engine: Engine, user: str = "newcomer", n: int = 3) -> Engine:
    """Let a shopper buy things of department 2, running."""
    engine.add_events(
        [event(user, 16 + i, time=NOW - (9 - i) * DAY, event_id=f"{user}-{i}") for i in range(n)]
        + [event(user, 1, time=NOW - 20 * DAY), event(user, 2, time=NOW - 19 * DAY)]
    )
    return engine


def test_a_profile_is_made_from_what_the_store_holds():
    engine = runner(fitted())
    profile = engine.profile("newcomer", NOW)
    assert len(profile) > 0
    history = engine.store.history("newcomer")
    items = engine.store.items().vocabulary.ids(history.rows)
    happened = set(zip([i or None for i in history.ids], items, history.times.tolist(), strict=True))
    for line in profile:
        assert line.evidence
        assert all((e.event_id, e.item_id, e.time) in happened for e in line.evidence)
    assert len(engine.profile("nobody", NOW)) == 0
    assert len(engine.profile("newcomer", NOW - 30 * DAY)) == 0  # what came later is not read


def test_a_profile_needs_no_fit():
    engine = Engine(FUSED, MemoryStore.of(small_shop()))
    assert engine.profile(SHOPPERS[0], NOW).lines == fitted().profile(SHOPPERS[0], NOW).lines


def test_forgetting_a_line_changes_the_next_list():
    engine = runner(fitted())
    line = next(one for one in engine.profile("newcomer", NOW) if one.kind == "category")
    before = engine.recommend("newcomer", k=8)
    gone = engine.forget("newcomer", line.line_id, NOW)
    assert set(gone) == set(line.item_ids) != set()
    after = engine.recommend("newcomer", k=8)
    assert ids(after) != ids(before)
    assert running(after) < running(before)
    assert not set(gone) & set(ids(after))  # forgotten as a taste, and still not sold twice
    later = engine.profile("newcomer", NOW + DAY)
    assert line.line_id in later.hidden
    assert later.line(line.line_id) is None
    with pytest.raises(DataError, match="no line 'brand:nobody'"):
        engine.forget("newcomer", "brand:nobody", NOW)


def test_a_forgotten_line_is_back_when_restored_and_new_events_speak_for_it():
    engine = runner(fitted())
    line = next(one for one in engine.profile("newcomer", NOW) if one.kind == "category")
    engine.forget("newcomer", line.line_id, NOW)
    engine.add_events([event("newcomer", 19 + i, time=NOW + i) for i in range(3)])
    assert engine.profile("newcomer", NOW + DAY).line(line.line_id) is None
    assert engine.restore_line("newcomer", line.line_id)
    assert not engine.restore_line("newcomer", line.line_id)
    assert engine.profile("newcomer", NOW + DAY).line(line.line_id) is not None


def test_a_line_in_own_words():
    engine = runner(fitted())
    before, list_ = engine.profile("newcomer", NOW), ids(engine.recommend("newcomer", k=8))
    engine.edit_profile("newcomer", before.lines[0].line_id, "I run <b>daily</b>.", NOW)
    line = engine.profile("newcomer", NOW).line(before.lines[0].line_id)
    assert (line.text, line.edited, line.evidence) == ("I run daily.", True, before.lines[0].evidence)
    assert ids(engine.recommend("newcomer", k=8)) == list_
    for wrong in (("newcomer", "brand:nobody", "x"), ("newcomer", line.line_id, " ")):
        with pytest.raises(DataError):
            engine.edit_profile(*wrong, NOW)


def test_a_removed_reason_is_out_of_reasons_and_of_the_next_list():
    engine = runner(fitted())
    cited = [
        r.explanation
        for r in engine.recommend("newcomer", k=10, explain=True)
        if r.explanation and any(e.kind == "event" for e in r.explanation.evidence)
    ]
    reason = cited[0]
    before = score(engine, "newcomer", "SKU-020", variant="like")
    gone = engine.remove_reason("newcomer", reason)
    assert gone == tuple(dict.fromkeys(e.item_id for e in reason.evidence if e.kind == "event")) != ()
    for r in engine.recommend("newcomer", k=40, explain=True):
        assert not {e.item_id for e in r.explanation.evidence if e.kind == "event"} & set(gone)
    assert all(not set(gone) & set(line.item_ids) for line in engine.profile("newcomer"))
    left = [i for i in ("SKU-016", "SKU-017", "SKU-018") if i not in gone]
    for item in left:
        assert engine.remove_reason("newcomer", item) == (item,)
    assert score(engine, "newcomer", "SKU-020", variant="like") < before


def test_only_what_happened_can_be_removed():
    engine = runner(fitted())
    with pytest.raises(DataError, match="no events on item 'SKU-030'"):
        engine.remove_reason("newcomer", "SKU-030")
    with pytest.raises(DataError, match="cites no event"):
        engine.remove_reason("newcomer", Explanation())
    assert len(engine.store.history("newcomer")) == 5


def test_a_wish_counts_although_clocks_disagree():
    engine = fitted()
    engine.add_events([event("newcomer", 17, time=2_000_000_000)])  # a device that is ahead of its time
    assert engine.remove_reason("newcomer", "SKU-017") == ("SKU-017",)
    assert not engine.store.history("newcomer").weights.any()


@pytest.mark.parametrize("kind", ["not-interested", "dislike"])
def test_not_interested_hides_the_item_and_moves_its_likes_down(kind):
    engine = runner(fitted())
    shown = next(i for i in ids(engine.recommend("newcomer", k=8)) if int(i[-3:]) in RUNNING)
    kin = next(f"SKU-{i:03d}" for i in RUNNING if f"SKU-{i:03d}" != shown)
    before = score(engine, "newcomer", kin, variant="like")
    if kind == "dislike":
        engine.add_events([event("newcomer", int(shown[-3:]), kind, NOW)])
    else:
        engine.not_interested("newcomer", shown)
    assert shown not in ids(engine.recommend("newcomer", k=40))
    assert score(engine, "newcomer", kin, variant="like") < before


def test_guest_becomes_customer_with_profile_and_searches():
    engine = runner(fitted(), "guest-1")
    line = engine.profile("guest-1", NOW).lines[0]
    engine.edit_profile("guest-1", line.line_id, "It is me.", NOW)
    engine.add_searches([Search(user_id="guest-1", text="rain jacket", time=NOW, search_id="s1")])
    assert engine.merge("guest-1", "customer") == 5
    assert engine.profile("customer", NOW).line(line.line_id).text == "It is me."
    assert [s.text for s in engine.searches.of_user("customer")] == ["rain jacket"]
    assert engine.export("guest-1") == []
    assert {r["type"] for r in engine.export("customer")} == {"event", "search", "profile-edit"}


def with_reviews() -> Dataset:
    data = small_shop()
    said = [
        Review(user_id=f"critic{n}", item_id=f"SKU-{i:03d}", text="The fit is great.", rating=5.0, review_id=f"{i}-{n}")
        for i in RUNNING
        for n in range(3)
    ]
    return replace(data, reviews=(*data.reviews, *said))


def test_an_erased_shopper_leaves_no_trace(tmp_path):
    secret = "zyxwer-the-shopper"
    engine = runner(Engine(FUSED).fit(with_reviews()), secret)
    own = Review(user_id=secret, item_id="SKU-016", text="The fit is poor here, alas.", rating=1.0, review_id="own-1")
    engine.store.put_reviews([own])
    engine.add_searches([Search(user_id=secret, text="qqqq jacket", time=NOW, search_id="own-s")])
    line = engine.profile(secret, NOW).lines[0]
    engine.edit_profile(secret, line.line_id, "My own words.", NOW)
    engine.recommend(secret, explain=True)
    quoted = engine.recommend(SHOPPERS[0], k=40, explain=True)  # reads the reviews, hers among them
    engine.suggest("qq", secret)
    assert len(quoted) > 0
    assert any(secret in repr(deep(kept)) for kept in (engine._held, engine._profiler))  # the check below can see it
    assert engine.erase(secret) == 5
    # What is kept for quick answers knows neither the name nor the words, even before it is next asked.
    for kept in (engine._held, engine._profiler, engine._suggests):
        assert not any(trace in repr(deep(kept)) for trace in (secret, "alas", "qqqq"))
    assert engine.export(secret) == []
    assert len(engine.profile(secret, NOW)) == 0
    assert engine.profile(secret, NOW).hidden == ()
    for r in engine.recommend(SHOPPERS[0], k=40, explain=True):
        assert "own-1" not in json.dumps(r.explanation.to_dict())
    assert all(e.kind != "event" for r in engine.recommend(secret, explain=True) for e in r.explanation.evidence)
    assert "qqqq jacket" not in [s.text for s in engine.suggest("qq", secret)]
    engine.dump(tmp_path / "dump.jsonl.gz")
    engine.save(tmp_path / "bundle")
    text = gzip.decompress((tmp_path / "dump.jsonl.gz").read_bytes()).decode()
    files = b"".join(p.read_bytes() for p in (tmp_path / "bundle").rglob("*") if p.is_file())
    for trace in (secret, "own-1", "own-s", "qqqq", "alas", "My own words"):
        assert trace not in text
        assert trace.encode() not in files


def test_a_forgotten_aspect_is_no_reason_any_more():
    engine = runner(Engine(EngineConfig.of({**CHEAP, "explain": {"use": "extract"}})).fit(with_reviews()), n=4)
    own = [
        Review(user_id="newcomer", item_id=f"SKU-{i:03d}", text="The fit is poor.", rating=1.0, review_id=f"own-{i}")
        for i in (16, 17)
    ]
    engine.store.put_reviews(own)
    other = [  # so that to speak of the fit is not what everybody does
        Review(
            user_id=f"critic{n}", item_id=f"SKU-{i:03d}", text="The noise is great.", rating=5.0, review_id=f"o{i}{n}"
        )
        for i in range(15)
        for n in range(3)
    ]
    engine.store.put_reviews(other)
    engine.fit()

    def quoted() -> list[str]:
        facts = (r.explanation for r in engine.recommend("newcomer", k=20, explain=True))
        return [e.quote for one in facts for e in one.evidence if e.kind == "review"]

    assert engine.profile("newcomer").line("aspect:fit") is not None
    assert "The fit is great." in quoted()
    assert engine.forget("newcomer", "aspect:fit") == ()
    assert engine.profile("newcomer").line("aspect:fit") is None
    assert "The fit is great." not in quoted()
    assert engine.restore_line("newcomer", "aspect:fit")
    assert "The fit is great." in quoted()


def deep(value: object, seen: set[int] | None = None) -> object:
    """Return everything that an object holds, attributes and all, as plain lists."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | bool | np.ndarray | type(None)):
        return value if isinstance(value, str) else None
    seen.add(id(value))
    if isinstance(value, dict):
        return [deep(v, seen) for pair in value.items() for v in pair]
    if isinstance(value, list | tuple | set | frozenset):
        return [deep(v, seen) for v in value]
    slots = [s for c in type(value).__mro__ for s in getattr(c, "__slots__", ())]
    held = {**getattr(value, "__dict__", {}), **{s: getattr(value, s, None) for s in slots}}
    return [deep(v, seen) for v in held.values()]


def test_profile_and_searches_survive_a_dump(tmp_path):
    engine = runner(fitted())
    line = engine.profile("newcomer", NOW).lines[0]
    engine.edit_profile("newcomer", line.line_id, "It is me.", NOW)
    engine.add_searches([Search(user_id="newcomer", text="rain jacket", time=NOW, chosen=("SKU-017",))])
    counts = engine.dump(tmp_path / "dump")
    assert (counts["searches"], counts["edits"]) == (1, 1)
    fresh = Engine(FUSED, MemoryStore())
    assert fresh.restore(tmp_path / "dump") == counts
    assert fresh.export("newcomer") == engine.export("newcomer")
    assert fresh.profile("newcomer", NOW) == engine.profile("newcomer", NOW)
    assert fresh.searches.refound("newcomer", "jacket rain") == ("SKU-017",)


def test_a_given_store_is_filled_and_kept():
    data, store = with_reviews(), MemoryStore()
    store.edits.edit("ann", "brand:x", "X!")
    engine = Engine(FUSED, store).fit(data)
    assert engine.store is store
    assert store.items().ids == data.items.ids
    np.testing.assert_array_equal(store.items().available, data.items.available)
    for name in ("rows", "times", "kinds", "values", "weights", "positions"):
        np.testing.assert_array_equal(getattr(store.log().events, name), getattr(data.log.events, name))
    assert store.reviews() == tuple(data.reviews)
    assert ids(engine.recommend(SHOPPERS[3], now=NOW)) == ids(fitted().recommend(SHOPPERS[3], now=NOW))
    assert engine.edits is store.edits
    engine.add_events([event("ann", 3)])
    assert len(store.history("ann")) == 1
    with pytest.raises(DataError, match="call fit\\(\\) without data"):
        engine.fit(data)  # it holds an event more by now
    engine.fit()


def test_a_given_store_that_holds_the_data_is_kept_and_one_with_other_data_is_refused():
    data = small_shop()
    store = MemoryStore.of(data)
    assert Engine(FUSED, store).fit(data).store is store
    other = MemoryStore()
    other.put_items([Item(item_id="mine")])
    with pytest.raises(DataError, match="1 items and 0 events that are not those of the data"):
        Engine(FUSED, other).fit(data)
    assert other.items().ids == ["mine"]


def test_a_fit_on_other_data_keeps_searches_and_edits_of_an_engine_without_a_store():
    engine = fitted()
    engine.add_searches([Search(user_id="ann", text="kettle", time=NOW)])
    engine.edits.hide("ann", "brand:x")
    engine.fit(small_shop())
    assert len(engine.searches) == len(engine.edits) == 1
    assert engine.store.searches is engine.searches


LIVE = EngineConfig.of(
    {
        "candidates": {"popularity": {}, "trending": {"recent_days": 7.0}},
        "rank": {},
        "variants": {"plain": {}},
        "variant": "plain",
    }
)
KINDS = st.sampled_from(["purchase", "view", "return", "dislike", "forget", "rating"])
ACTS = st.tuples(st.sampled_from([*SHOPPERS[:2], "ann"]), st.integers(16, 19), KINDS, st.integers(-3, 3))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ACTS, max_size=4), max_size=4))
def test_live_counts_are_those_of_a_fit_whatever_is_taken_back(batches):
    engine = Engine(LIVE).fit(small_shop())
    for batch in batches:
        engine.add_events(
            [event(u, i, kind, NOW + day * DAY, value=5.0 if day > 0 else 1.0) for u, i, kind, day in batch]
        )
    data = engine.store.dataset()
    for name, made in (("popularity", Popularity()), ("trending", Trending())):
        live = engine.fitted.generators[name]
        anew = made.fit(data, FitOptions())
        scale = live.item_scores().max() / anew.item_scores().max()  # the latest event may be one that says nothing
        np.testing.assert_allclose(live.item_scores(), anew.item_scores() * scale, rtol=1e-3, atol=1e-5)


def test_a_returned_purchase_is_popular_no_more():
    engine = fitted()
    before = engine.fitted.generators["popularity"].item_scores().copy()
    for n in range(60):
        engine.add_events([event(f"fan-{n}", 39)])
    assert ids(engine.recommend(None, k=1)) == ["SKU-039"]
    engine.add_events([event(f"fan-{n}", 39, "return", NOW + 60) for n in range(60)])
    np.testing.assert_allclose(engine.fitted.generators["popularity"].item_scores()[39], before[39], atol=0.05)
    assert ids(engine.recommend(None, k=1)) != ["SKU-039"]


def test_a_purchase_of_before_the_fit_is_taken_back_too():
    engine = fitted()
    user = SHOPPERS[7]
    row = int(engine.store.history(user).rows[-1])
    before = engine.fitted.generators["popularity"].item_scores().copy()
    engine.add_events([Event(user_id=user, item_id=engine.store.items().ids[row], kind="return", time=NOW)])
    after = engine.fitted.generators["popularity"].item_scores()
    assert after[row] < before[row] - 0.3
    others = np.delete(np.arange(len(after)), row)
    np.testing.assert_allclose(after[others], before[others], rtol=1e-5)
