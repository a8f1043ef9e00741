"""Exports and dumps of an engine are whole, whatever its store holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_toys import FUSED, NOW, SHOPPERS, event

from recsys.engine import Engine
from recsys.errors import DataError
from recsys.store.memory import MemoryStore
from recsys.testing.worlds import small_shop
from recsys.types import Search


class Bare:
    """A store by the protocol, without searches and edits of its own."""

    def __init__(self) -> None:
        kept = MemoryStore()
        for name in ("put_items", "put_events", "put_reviews", "unknown", "items", "history", "withdraw", "log",
                     "reviews", "merge", "erase", "export"):  # fmt: skip
            setattr(self, name, getattr(kept, name))
        self.dataset = lambda name="": replace(kept.dataset(name), searches=())


def bare_engine() -> Engine:
    searches = (Search(user_id=SHOPPERS[2], text="kettle", time=NOW, search_id="s-1"),)
    return Engine(FUSED, Bare()).fit(replace(small_shop(), searches=searches))


def test_an_export_is_whole_whatever_the_store_holds():
    engine = bare_engine()
    engine.add_events([event("ann", row, time=NOW - 60) for row in range(16, 22)])
    engine.add_searches([Search(user_id="ann", text="rain jacket", time=NOW)])
    line = engine.profile("ann", NOW).lines[0].line_id
    engine.edit_profile("ann", line, "It is me.", NOW)
    kinds = [r["type"] for r in engine.export("ann")]
    assert sorted(kinds) == [*["event"] * 6, "profile-edit", "search"]
    assert [r["text"] for r in engine.export(SHOPPERS[2]) if r["type"] == "search"] == ["kettle"]
    engine.merge("ann", "eve")
    assert sorted(r["type"] for r in engine.export("eve")) == sorted(kinds)
    engine.erase("eve")
    assert engine.export("eve") == []


def test_a_dump_is_whole_whatever_the_store_holds(tmp_path):
    engine = bare_engine()
    engine.add_events([event("ann", row, time=NOW - 60) for row in range(16, 22)])
    line = engine.profile("ann", NOW).lines[0].line_id
    engine.edit_profile("ann", line, "It is me.", NOW)
    written = engine.dump(tmp_path / "dump")
    assert (written["searches"], written["edits"]) == (1, 1)
    for store in (Bare(), MemoryStore()):
        back = Engine(FUSED, store)
        assert back.restore(tmp_path / "dump") == written
        assert back.export("ann") == engine.export("ann")
        assert back.export(SHOPPERS[2]) == engine.export(SHOPPERS[2])
        with pytest.raises(DataError, match="into an empty store"):
            back.restore(tmp_path / "dump")


def test_the_clock_of_a_store_is_that_of_its_searches():
    store = MemoryStore(clock=lambda: NOW)
    store.searches.put([Search(user_id="ann", text="rain jacket")])
    assert store.searches.of_user("ann")[0].time == NOW
