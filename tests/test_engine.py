from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from engine_toys import CHEAP, CONFIG, FUSED, LIGHTGBM, NOW, SHOPPERS, event, fitted, ids, pairs

from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.errors import ConfigError, DataError, NotFittedError, StageError
from recsys.registry import Registry
from recsys.store.memory import MemoryStore
from recsys.testing.fakes import Failing
from recsys.testing.worlds import small_shop
from recsys.types import Filter, Item


@pytest.fixture(scope="module")
def trained() -> Engine:
    """One with a ranker, for tests that change nothing."""
    return fitted(CONFIG)


def test_a_list_is_what_it_should_be(trained):
    for user in SHOPPERS[:20]:
        got = trained.recommend(user, k=7)
        assert [r.rank for r in got] == list(range(1, len(got) + 1))
        assert len(got) == len(set(ids(got))) == 7
        scores = [r.score for r in got]
        assert scores == sorted(scores, reverse=True)
        history = trained.store.history(user)
        bought = {
            trained.store.items().ids[r] for r, w in zip(history.rows, history.weights, strict=True) if abs(w) == 1
        }
        assert not bought & set(ids(got))
        assert all(r.sources for r in got)
        assert {s for r in got for s in r.sources} <= {"transitions", "attributes", "popularity"}


def test_the_ranker_was_trained_and_took_part(trained):
    assert trained.warnings == ()
    assert set(trained.fitted.rankers) == {"lightgbm", "shuffle"}
    assert trained.fitted.rankers["lightgbm"].figures["requests"] > 10
    assert set(trained.fitted.fit_s) == {"lightgbm", "transitions", "attributes", "popularity", "text", "aspects"}
    trace = trained.recommend(SHOPPERS[0]).trace
    assert [s.stage for s in trace.stages] == ["candidates"] * 3 + ["score", "fuse", "rank"]
    assert trace.stages[-1].plugin == "lightgbm"
    assert trace.degraded == ()
    assert trace.took_ms > 0


@pytest.mark.parametrize("variant", ["no-llm", "fused", "mixed-up"])
def test_single_equals_batch(trained, variant):
    users = [*SHOPPERS, None, "a-stranger", SHOPPERS[0]]
    batch = trained.recommend_batch(users, k=8, variant=variant, now=NOW)
    for user, expected in zip(users, batch, strict=True):
        assert pairs(trained.recommend(user, k=8, variant=variant, now=NOW)) == pairs(expected)
    assert trained.recommend_batch([]) == []


def test_same_seed_same_lists(trained):
    again = fitted(CONFIG)
    for user in SHOPPERS[:10]:
        assert pairs(again.recommend(user, now=NOW)) == pairs(trained.recommend(user, now=NOW))


def test_sources_are_generators_that_found_the_item_strongest_first(trained):
    got = trained.recommend(SHOPPERS[3], k=10, variant="fused", now=NOW)
    alone = trained.recommend(SHOPPERS[3], k=40, variant="popular", now=NOW)
    assert {s for r in alone for s in r.sources} == {"popularity"}
    found = set(ids(alone)[:30])
    for r in got:
        assert ("popularity" in r.sources) == (r.item_id in found)


def test_variants(trained):
    asked = {v: ids(trained.recommend(SHOPPERS[4], k=10, variant=v, now=NOW)) for v in CONFIG.variants}
    assert len({tuple(one) for one in asked.values()}) == len(asked)
    assert ids(trained.recommend(SHOPPERS[4], k=10, now=NOW)) == asked["no-llm"]
    with pytest.raises(ConfigError, match=r"variant must be one of no-llm, fused, .*; got 'fast'"):
        trained.recommend(SHOPPERS[4], variant="fast")


def test_arguments_are_checked(trained):
    with pytest.raises(DataError, match="k must be at least 1, got 0"):
        trained.recommend(SHOPPERS[0], k=0)
    with pytest.raises(DataError, match="now must be an aware datetime"):
        trained.recommend(SHOPPERS[0], now=datetime(2024, 1, 1))
    with pytest.raises(DataError, match="unknown item_id 'SKU-999'"):
        trained.recommend(SHOPPERS[0], context=["SKU-001", "SKU-999"])


def test_now_hides_what_came_later(trained):
    history = trained.store.history(SHOPPERS[0])
    middle = datetime.fromtimestamp(int(history.times[3]), UTC)
    past = Engine(FUSED).fit(small_shop())
    assert pairs(past.recommend(SHOPPERS[0], now=middle)) == pairs(
        past.recommend(SHOPPERS[0], now=int(history.times[3]))
    )
    assert ids(past.recommend(SHOPPERS[0], now=int(history.times[0]), k=40)) == ids(
        past.recommend(None, now=int(history.times[0]), k=40)
    )


def test_similar_items(trained):
    got = trained.similar_items("SKU-016", k=5)
    assert "SKU-016" not in ids(got)
    assert "SKU-017" in ids(got)[:2]  # the same shoe in another material
    assert sum(16 <= int(i[-3:]) < 24 for i in ids(got)) >= 4
    assert all("popularity" not in r.sources for r in got)
    allowed = trained.similar_items("SKU-016", k=5, where=Filter(brands=("Tarn",)))
    assert {trained.store.items().brands[int(i[-3:])] for i in ids(allowed)} == {"Tarn"}
    with pytest.raises(DataError, match="unknown item_id 'nothing'"):
        trained.similar_items("nothing")


@pytest.mark.parametrize("variant", ["no-llm", "fused", "mixed-up"])
def test_rank_adds_and_loses_nothing(trained, variant):
    given = ["SKU-039", "SKU-005", "SKU-001", "SKU-017", "SKU-022"]  # never touched, out of stock, ...
    for user in (SHOPPERS[0], SHOPPERS[59], None, "a-stranger"):
        got = trained.rank(user, given, variant=variant, now=NOW)
        assert sorted(ids(got)) == sorted(given)
        assert pairs(trained.rank(user, given[::-1], variant=variant, now=NOW)) == pairs(got)
    assert (
        ids(trained.rank(SHOPPERS[0], given, k=2, variant=variant, now=NOW))
        == ids(trained.rank(SHOPPERS[0], given, variant=variant, now=NOW))[:2]
    )


def test_rank_puts_the_home_department_first(trained):
    engine = fitted()
    engine.add_events([event("newcomer", 17)])
    assert ids(engine.rank("newcomer", ["SKU-001", "SKU-018", "SKU-033"]))[0] == "SKU-018"
    for given, message in ((["SKU-001", "SKU-001"], "names an item twice"), (["x"], "unknown item_id 'x'")):
        with pytest.raises(DataError, match=message):
            trained.rank(SHOPPERS[0], given)
    assert len(trained.rank(SHOPPERS[0], [])) == 0
    with pytest.raises(DataError, match="k must be at least 1, got -1"):
        trained.rank(SHOPPERS[0], ["SKU-001"], k=-1)


def test_unfitted():
    engine = Engine(CONFIG)
    for call in (
        lambda: engine.recommend("x"), lambda: engine.similar_items("x"), lambda: engine.rank("x", ["y"]),
        lambda: engine.save("nowhere"), lambda: engine.warnings, lambda: engine.fitted,
    ):  # fmt: skip
        with pytest.raises(NotFittedError, match=r"call fit\(data\), or Engine\.load\(path\)"):
            call()


def test_events_may_come_before_the_fit():
    engine = Engine(FUSED)
    with pytest.raises(DataError, match="nothing to fit"):
        engine.fit()
    shop = small_shop()
    engine.add_items([shop.items.item(row) for row in range(40)])
    with pytest.raises(DataError, match="nothing to fit"):
        engine.fit()
    engine.add_events([event(f"shopper-{u}", (8 * u + i) % 40, time=NOW + i) for u in range(5) for i in range(4)])
    engine.add_events([event("shopper-0", 30, "impression")])
    assert len(engine.fit().recommend("shopper-0", k=5)) == 5


def test_too_few_events_leave_the_fused_order():
    said: list[str] = []
    items = [Item(item_id=f"SKU-{i:03d}", title=f"thing {i}") for i in range(6)]
    data = Dataset.of(items, [event("one", 0), event("one", 1, time=NOW + 1), event("two", 1)])
    engine = Engine(CONFIG).fit(data, progress=said.append)
    assert len(engine.warnings) == 1
    assert engine.warnings[0].startswith("lightgbm was not fitted: ")
    assert engine.warnings[0] in said
    got = engine.recommend("two", k=3)
    assert len(got) > 0
    assert "rank" not in {s.stage for s in got.trace.stages}
    assert pairs(got) == pairs(engine.recommend("two", k=3, variant="fused"))


@pytest.mark.parametrize("variant", ["no-llm", "fused"])
def test_a_broken_generator_is_noted_and_strict_raises(trained, variant):
    class Broken(Failing):
        class Config(EngineConfig):
            pass

        @classmethod
        def from_config(cls, config, deps):
            return cls()

        def fit(self, data, options):
            return self

    registry = Registry()
    registry.register("candidates", "broken", Broken)
    candidates = {"broken": {}, **CHEAP["candidates"]}
    rank = {"lightgbm": LIGHTGBM}
    values = {"candidates": candidates, "rank": rank, "variants": {"no-llm": {"rank": "lightgbm"}, "fused": {}}}
    engine = Engine.from_config(values, registry=registry)
    if variant == "no-llm":
        with pytest.raises(StageError, match="'broken'"):
            engine.fit(small_shop())  # a ranker that never saw a generator work would be trained on nonsense
        return
    engine = Engine.from_config(
        {**values, "variants": {"fused": {}}, "variant": "fused", "rank": {}}, registry=registry
    )
    got = engine.fit(small_shop()).recommend(SHOPPERS[0], k=5)
    assert got.trace.degraded == ("candidates:broken:RecsysError",)
    assert pairs(got) == pairs(fitted().recommend(SHOPPERS[0], k=5))
    assert [r.sources for r in got] == [r.sources for r in fitted().recommend(SHOPPERS[0], k=5)]
    with pytest.raises(StageError, match="candidates 'broken' failed: made to fail"):
        engine.recommend(SHOPPERS[0], strict=True)


def test_from_config(tmp_path):
    path = tmp_path / "engine.toml"
    path.write_text("seed = 5\n[candidates.popularity]\n[variants.no-llm]\n[events.weights]\nview = 0.9\n")
    for source in (path, str(path), EngineConfig.read(path), EngineConfig.read(path).plain()):
        engine = Engine.from_config(source)
        assert engine.config.seed == 5
        engine.add_items([Item(item_id="SKU-001")])
        engine.add_events([event("x", 1, "view")])
        assert engine.store.history("x").weights.tolist() == pytest.approx([0.9])
    assert Engine.from_config().config == EngineConfig()
    store = MemoryStore()
    assert Engine.from_config(path, store).store is store


def test_defaults_fit_and_serve():
    engine = Engine().fit(small_shop())
    got = engine.recommend(SHOPPERS[0], k=5)
    assert len(got) == 5
    assert set(engine.fitted.generators) == {
        "transitions",
        "attributes",
        "item-knn",
        "als",
        "ease",
        "dense",
        "popularity",
        "text",
        "aspects",
    }


def test_results_print_and_convert(trained):
    got = trained.recommend(SHOPPERS[0], k=4)
    dicts = got.to_dicts()
    assert [d["item_id"] for d in dicts] == ids(got)
    assert list(dicts[0]) == ["rank", "item_id", "title", "score", "sources", "price", "stock"]
    assert isinstance(dicts[0]["sources"], list)
    for frame in (got.to_pandas(), got.to_polars()):
        assert list(frame.columns) == list(dicts[0])
        assert frame["item_id"].to_list() == ids(got) if hasattr(frame["item_id"], "to_list") else False
    assert len(str(got).splitlines()) == 5
    assert got[0].title in str(got)
    assert got[0].item_id in got._repr_html_()
    assert got._repr_html_().count("<tr>") == 5
    assert str(trained.recommend(None, where=Filter(brands=("x",)))) == "(no items)"


def test_titles_are_escaped_in_html():
    engine = fitted()
    item = engine.store.items().item(int(engine.recommend(None, k=1)[0].item_id[-3:]))
    engine.add_items([replace(item, title="<script>alert(1)</script>Salt & <b>pepper</b> 3 < 4")])
    assert engine.recommend(None, k=1)[0].title == "Salt & pepper 3 < 4"
    shown = engine.recommend(None, k=3)._repr_html_()
    assert "Salt &amp; pepper 3 &lt; 4" in shown
    assert "alert" not in shown
