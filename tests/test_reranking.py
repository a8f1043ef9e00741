"""The rerank stage: of lists, of a funnel and of an engine."""

from __future__ import annotations

import numpy as np
import pytest
from engine_toys import CHEAP, SHOPPERS, event, ids
from hypothesis import given
from hypothesis import strategies as st

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import ConfigError, ContractError, StageError
from recsys.rank.shuffle import Shuffle
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.reranking import rerank_top
from recsys.testing.worlds import small_shop
from recsys.types import Item, Request, Slates


class Dearest(Reranker):
    """Orders by price, dearest first."""

    def judge(self, requests, slates):
        return Judgement(self.items.prices[slates.items].astype(np.float32))


class Reader(Dearest):
    """One that may order searches and is asked again for reasons."""

    cheap = True
    reads_queries = True


def registry() -> Registry:
    own = Registry()
    own.register("rerankers", "dearest", Dearest)
    own.register("rerankers", "reader", Reader)
    own.register("rerankers", "failing", FailingReranker)
    return own


class FailingReranker(Reranker):
    """Raises."""

    def judge(self, requests, slates):
        raise RuntimeError("the model is gone")


CONFIG = EngineConfig.of(
    {
        **CHEAP,
        "rerank": {"dearest": {"top": 6}, "near": {"use": "dearest", "top": 6, "max_move": 1}, "reader": {"top": 6},
                   "failing": {}},
        "variants": {
            "fused": {}, "dear": {"rerank": "dearest"}, "near": {"rerank": "near"}, "reader": {"rerank": "reader"},
            "broken": {"rerank": "failing"},
        },
    }
)  # fmt: skip
ENGINE = Engine(CONFIG, registry=registry()).fit(small_shop())


@given(
    st.lists(st.lists(st.integers(0, 30), unique=True, max_size=8), min_size=1, max_size=4), st.integers(1, 9),
    st.integers(0, 5),
)  # fmt: skip
def test_the_best_are_reordered_and_the_others_follow(lists, top, seed):
    given_ = Slates.of(lists)
    twice = Slates(given_.items, given_.scores, given_.offsets, {"twice": given_.items * 2})
    got = rerank_top(Shuffle(Shuffle.Config(seed=seed)), [Request()] * len(lists), twice, top)
    assert np.array_equal(got.scores, given_.scores)
    assert np.array_equal(got.columns["twice"], got.items * 2)
    for new, old in zip(got, lists, strict=True):
        assert sorted(new.items[:top].tolist()) == sorted(old[:top])
        assert new.items[top:].tolist() == old[top:]


def test_a_reranker_that_loses_an_item_is_refused():
    class Loses:
        def rank(self, requests, slates, n):
            return slates.head(1)

    with pytest.raises(ContractError, match="other items"):
        rerank_top(Loses(), [Request()], Slates.of([[1, 2, 3]]), 3)


def test_variants_are_swapped_by_one_word():
    plain, dear = (ENGINE.recommend(SHOPPERS[3], 10, variant=v) for v in ("fused", "dear"))
    assert sorted(ids(plain)[:6]) == sorted(ids(dear)[:6])
    assert ids(plain)[6:] == ids(dear)[6:]
    prices = [r.price for r in dear][:6]
    assert prices == sorted(prices, reverse=True)
    assert [r.score for r in plain] == [r.score for r in dear]
    assert [(s.stage, s.plugin, s.n_in) for s in dear.trace.stages][-1] == ("rerank", "dearest", 6)


def test_a_short_list_is_cut_after_reranking():
    assert (
        ids(ENGINE.recommend(SHOPPERS[3], 2, variant="dear"))
        == ids(ENGINE.recommend(SHOPPERS[3], 10, variant="dear"))[:2]
    )


def test_moves_are_bounded():
    plain, near = (ids(ENGINE.recommend(SHOPPERS[3], 10, variant=v)) for v in ("fused", "near"))
    assert plain != near
    assert max(abs(plain.index(i) - near.index(i)) for i in plain) == 1


def test_a_failing_reranker_leaves_the_order():
    got = ENGINE.recommend(SHOPPERS[3], 10, variant="broken")
    assert ids(got) == ids(ENGINE.recommend(SHOPPERS[3], 10, variant="fused"))
    assert got.trace.degraded == ("rerank:failing:RuntimeError",)
    with pytest.raises(StageError, match="the model is gone"):
        ENGINE.recommend(SHOPPERS[3], 10, variant="broken", strict=True)


@pytest.mark.parametrize("variant", ["dear", "reader"])
def test_reasons_belong_to_the_reranked_list(variant):
    got = ENGINE.recommend(SHOPPERS[3], 6, variant=variant, explain=True)
    assert ids(got) == ids(ENGINE.recommend(SHOPPERS[3], 6, variant=variant))
    assert all(r.explanation is not None for r in got)
    assert any(r.explanation.text for r in got)


def test_only_who_reads_queries_orders_searches():
    plain, dear, reader = (
        ENGINE.search("shoes", SHOPPERS[3], 6, variant=v, fold=False) for v in ("fused", "dear", "reader")
    )
    assert len(plain) > 1
    assert ids(plain) == ids(dear)
    prices = [r.price for r in reader]
    assert prices == sorted(prices, reverse=True)


def test_new_items_reach_the_reranker():
    engine = Engine(CONFIG, registry=registry()).fit(small_shop())
    like = engine.store.items()
    row = int(like.vocabulary.rows([ids(engine.recommend(SHOPPERS[3], 1))[0]])[0])
    engine.add_items(
        [
            Item(
                item_id="new",
                title=like.titles[row],
                brand=like.brands[row],
                categories=like.categories[row],
                price=1e6,
            )
        ]
    )
    got = engine.rank(SHOPPERS[3], ["new", *ids(engine.recommend(SHOPPERS[3], 4))], variant="dear")
    assert ids(got)[0] == "new"


def test_a_saved_engine_reranks_alike(tmp_path):
    ENGINE.save(tmp_path / "bundle")
    loaded = Engine.load(tmp_path / "bundle", ENGINE.store, registry())
    for variant in ("dear", "near"):
        assert ids(loaded.recommend(SHOPPERS[3], 10, variant=variant)) == ids(
            ENGINE.recommend(SHOPPERS[3], 10, variant=variant)
        )


def test_the_hash_of_settings_without_rerankers_stays():
    assert EngineConfig.of(CHEAP).hash == EngineConfig.of({**CHEAP, "rerank": {}, "models": {}}).hash
    assert EngineConfig.of(CHEAP).hash != CONFIG.hash


def test_unknown_rerankers_are_named():
    with pytest.raises(ConfigError, match=r"variants.x.rerank: unknown 'nobody' \(there are: none\)"):
        EngineConfig.of({**CHEAP, "variants": {"fused": {}, "x": {"rerank": "nobody"}}})
    with pytest.raises(ConfigError, match=r"rerank.dearest"):
        Engine(replace_top(CONFIG, colour="red"), registry=registry()).fit(small_shop())


def replace_top(config: EngineConfig, **options) -> EngineConfig:
    plain = config.plain()
    plain["rerank"]["dearest"].update(options)
    return EngineConfig.of(plain)


class Remembers(Dearest):
    """Keeps the shoppers it was asked for."""

    def __init__(self, config, items):
        super().__init__(config, items)
        self.known = set()

    def judge(self, requests, slates):
        self.known |= {r.user for r in requests}
        return super().judge(requests, slates)

    def forget(self, user):
        self.known.discard(user)
        return 1


def remembering() -> Engine:
    own = registry()
    own.register("rerankers", "remembers", Remembers)
    config = EngineConfig.of(
        {**CHEAP, "rerank": {"remembers": {}}, "variants": {"fused": {}, "dear": {"rerank": "remembers"}}}
    )
    return Engine(config, registry=own).fit(small_shop())


def test_what_a_reranker_keeps_of_people_goes_with_them():
    engine = remembering()
    one = engine.fitted.rerankers["remembers"]
    engine.add_events([event("guest", 3)])
    engine.recommend("guest", 3, variant="dear")
    engine.recommend(SHOPPERS[3], 3, variant="dear")
    assert {"guest", SHOPPERS[3]} <= one.known
    engine.merge("guest", SHOPPERS[3])
    assert "guest" not in one.known
    engine.erase(SHOPPERS[3])
    assert SHOPPERS[3] not in one.known


def test_who_may_move_nothing_is_not_asked():
    class Never(Reranker):
        def judge(self, requests, slates):
            raise AssertionError("asked")

    given_ = Slates.of([[3, 1, 2]])
    got = Never(Never.Config(max_move=0), small_shop().items).rank([Request()], given_, 3)
    assert got.items.tolist() == [3, 1, 2]
    assert np.isnan(got.columns["rerank_score"]).all()


def test_similar_items_are_not_reranked():
    item = ids(ENGINE.recommend(SHOPPERS[3], 1))[0]
    config = ENGINE.config.model_copy(update={"variant": "dear"})
    other = Engine(config, registry=registry()).fit(small_shop())
    assert ids(other.similar_items(item, 5)) == ids(ENGINE.similar_items(item, 5))


def test_an_untaught_reranker_without_a_bound_is_named():
    assert any(w.startswith("dearest is taken as it is") for w in ENGINE.warnings)
    assert not any(w.startswith("near is taken as it is") for w in ENGINE.warnings)


def test_no_deadline_ends_the_measuring_of_causes():
    calm = ENGINE.recommend(SHOPPERS[3], 6, variant="reader", explain=True)
    hurried = ENGINE.recommend(SHOPPERS[3], 6, variant="reader", explain=True, budget_ms=0.001)
    assert hurried.trace.degraded == ("rerank:reader:timeout",)
    plain = ENGINE.recommend(SHOPPERS[3], 6, variant="fused", explain=True)
    assert [r.explanation for r in hurried] == [r.explanation for r in plain]
    assert ids(calm) != ids(hurried)


def test_what_learns_and_cannot_be_kept_is_refused(tmp_path):
    class Learns(Dearest):
        trained = True

        def fit(self, requests, slates, labels, options):
            return self

    own = registry()
    own.register("rerankers", "learns", Learns)
    config = EngineConfig.of({**CHEAP, "rerank": {"learns": {}}, "variants": {"fused": {}, "l": {"rerank": "learns"}}})
    with pytest.raises(ConfigError, match="Learns learns and has no save"):
        Engine(config, registry=own).fit(small_shop()).save(tmp_path / "bundle")
