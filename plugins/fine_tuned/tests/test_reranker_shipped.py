"""The reranker that comes with the package: what its recipe made, at work on another shop, without torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import Any

import numpy as np
import pytest
from recsys_fine_tuned.listwise import Listwise
from recsys_fine_tuned.listwise_graph import rank_graph
from recsys_fine_tuned.listwise_shop import SEED, SHIPPED

from recsys.dataset import Dataset
from recsys.eval.injection import injection
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.runtime.models import sha256_of
from recsys.runtime.onnx import OnnxSession
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Slates

REF = "package://recsys_fine_tuned/shop/reranker"


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return tomllib.loads((SHIPPED / "recipe.toml").read_text(encoding="utf-8"))


def built(data: Dataset, **options: Any) -> Any:
    registry, told = Registry(), Deps(items=data.items)
    counts = np.bincount(data.log.events.rows, minlength=len(data.items)).astype(np.float32)
    deps = Deps(items=data.items, popularity=counts, build=lambda kind, asked: registry.build(kind, asked, told))
    return registry.build("rerankers", {"use": "compressed", "artifact": REF, **options}, deps)


def test_it_was_trained_on_the_sample_shop_and_accepted(recipe):
    assert recipe["trained_on"].startswith(f"the sample shop, seed {SEED}, ")
    chosen = recipe["bound_chosen_on"]
    assert chosen["p"] < 0.05
    assert max(chosen["their_ndcg@10"].values()) > chosen["their_ndcg@10"]["0"]
    assert chosen["max_move"] != 0


def test_it_is_what_the_recipe_made(recipe):
    files = {p.name: sha256_of(p) for p in SHIPPED.iterdir() if p.suffix in (".npy", ".onnx", ".safetensors", ".json")}
    assert files == recipe["sha256"]


def test_the_recipe_says_every_setting_that_taught_it(recipe):
    import json

    taught = json.loads((SHIPPED / "listwise.json").read_text(encoding="utf-8"))["config"]
    ours = {k: v for k, v in taught.items() if k not in ("artifact", "max_move") and v is not None}
    assert recipe["options"] == ours
    assert ours["own"] is False  # no item of that shop is one of another


def test_all_that_is_shipped_is_small():
    files = [p for p in SHIPPED.parent.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20_000_000
    assert {p.suffix for p in files} <= {
        ".toml", ".json", ".npy", ".onnx", ".data", ".safetensors", ".log", ".png", ".txt",
    }  # fmt: skip


def test_it_reads_another_catalogue(recipe):
    shop = small_shop()
    one = built(shop)
    assert isinstance(one, Listwise)
    assert one.trained
    assert one.codes().shape[0] == len(shop.items)
    assert np.abs(one.codes().astype(np.float32)).sum(axis=1).min() > 0
    bound = recipe["bound_chosen_on"]["max_move"]
    assert one.config.max_move == (None if bound == "any" else bound)
    assert built(shop, max_move=2).config.max_move == 2


def test_what_serves_are_the_weights_that_lie_beside_it():
    shop = small_shop()
    one, rng = built(shop), np.random.default_rng(0)
    requests = requests_of(shop)[:20]
    lists = [rng.choice(len(shop.items), 10, replace=False) for _ in requests]
    slates = Slates.of(lists, [np.linspace(1, 0, 10) for _ in requests])
    inputs = one.inputs(requests, slates)
    assert one.learned is not None
    again = OnnxSession(rank_graph(one.learned.encoder, one.learned.heads, heads=one.config.heads))
    np.testing.assert_allclose(one.fitted().run(inputs)["scores"], again.run(inputs)["scores"], atol=1e-5)
    # Without its heads it would say the incoming order, and texts would be nothing to it.
    said, without = one.judge(requests, slates).scores, built(shop, text="none").judge(requests, slates).scores
    assert np.ptp(said.reshape(-1, 10), axis=0).min() > 0.01
    assert np.abs(said - without).max() > 0.01


def test_it_does_not_do_what_a_title_orders():
    shop, rng = small_shop(), np.random.default_rng(1)
    requests = [r for r in requests_of(shop) if len(r.history) > 2][:40]
    slates = Slates.of([rng.choice(len(shop.items), 15, replace=False) for _ in requests])
    for against in ("prose", "scrambled"):
        found = injection(
            built(shop, max_move=14), shop.items, requests, slates, share=0.25, shuffles=8, against=against
        )
        assert found.entries > 100
        assert found.noise < 2
        assert found.within_noise, found


def test_it_serves_without_torch():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from recsys.protocols import Deps\n"
        "from recsys.registry import Registry\n"
        "from recsys.testing.worlds import requests_of, small_shop\n"
        "from recsys.types import Slates\n"
        "shop, registry = small_shop(), Registry()\n"
        "told = Deps(items=shop.items)\n"
        "deps = Deps(items=shop.items, build=lambda kind, options: registry.build(kind, options, told))\n"
        f"one = registry.build('rerankers', {{'use': 'compressed', 'artifact': {REF!r}}}, deps)\n"
        "found = one.rank(requests_of(shop)[:2], Slates.of([[0, 9, 17, 25], [1, 2, 3, 30]]), 4)\n"
        "assert found.columns['rerank_score'].std() > 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
