"""What may stand beside an artifact, what a control does there, and what an engine says where torch is missing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from recsys_fine_tuned.listwise import Listwise

from recsys import Engine
from recsys.errors import ConfigError, PluginUnavailable
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.testing.worlds import small_shop

REF = "package://recsys_fine_tuned/shop/reranker"
SHOP = small_shop()


def built(**options: Any) -> Listwise:
    registry, told = Registry(), Deps(items=SHOP.items)
    deps = Deps(items=SHOP.items, build=lambda kind, asked: registry.build(kind, asked, told))
    made = registry.build("rerankers", {"use": "compressed", "artifact": REF, **options}, deps)
    assert isinstance(made, Listwise)
    return made


def test_settings_that_would_do_nothing_are_refused_by_name():
    with pytest.raises(ConfigError, match="history, width"):
        built(history=3, width=64, max_move=1)


def test_a_control_reads_what_it_says():
    plain, permuted, none = built(), built(text="permuted"), built(text="none")
    order = np.lexsort(plain.codes().T)
    other = np.lexsort(permuted.codes().T)
    np.testing.assert_array_equal(plain.codes()[order], permuted.codes()[other])  # all texts, each at another item
    assert (plain.codes() != permuted.codes()).any(axis=1).mean() > 0.8
    assert not none.codes().any()
    assert (permuted.config.text, none.config.text) == ("permuted", "none")
    assert none.trained


def test_a_control_stays_one_when_it_is_saved(tmp_path):
    one = built(text="permuted", max_move=2)
    one.save(tmp_path)
    registry, told = Registry(), Deps(items=SHOP.items)
    again = Listwise.load(tmp_path, Deps(items=SHOP.items, build=lambda kind, asked: registry.build(kind, asked, told)))
    np.testing.assert_array_equal(again.codes(), one.codes())
    assert (again.config.text, again.config.max_move) == ("permuted", 2)


def test_options_reach_the_embedder():
    with pytest.raises(ConfigError, match="nonsense"):
        built(options={"nonsense": 1})
    assert built(options={"threads": 1}).config.options == {"threads": 1}


def test_without_torch_it_is_said_before_anything_is_fitted(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    said: list[str] = []
    engine = Engine.from_config({"rerank": {"compressed": {}}, "variants": {"taught": {"rerank": "compressed"}}})
    with pytest.raises(PluginUnavailable, match="torch is not installed"):
        engine.fit(SHOP, progress=said.append)
    assert said == []
    lists = {"rerank": {"compressed": {"artifact": REF}}, "variants": {"shipped": {"rerank": "compressed"}}}
    few = {"candidates": {"popularity": {}}, "rank": {"identity": {}}, "variant": "shipped"}
    served = Engine.from_config({**lists, **few}).fit(SHOP)
    assert served.recommend(SHOP.log.users[0]).trace.degraded == ()
