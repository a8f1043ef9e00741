"""The reranker that comes with the package: where it is from, how large it is, and that it serves without torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import numpy as np
import pytest
from recsys_fine_tuned.listwise import Listwise
from recsys_fine_tuned.listwise_shop import SHIPPED

from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.testing.worlds import small_shop

REF = "package://recsys_fine_tuned/shop/reranker"


@pytest.fixture(scope="module")
def recipe() -> dict:
    return tomllib.loads((SHIPPED / "recipe.toml").read_text(encoding="utf-8"))


def test_it_was_trained_on_the_sample_shop_and_accepted(recipe):
    assert recipe["trained_on"].startswith("the sample shop, seed ")
    held = recipe["held_out"]
    assert held["p"] < 0.05
    assert max(held["ndcg@10"].values()) > held["ndcg@10"]["0"]
    assert held["max_move"] != 0


def test_all_that_is_shipped_is_small():
    files = [p for p in SHIPPED.parent.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20_000_000
    assert {p.suffix for p in files} <= {
        ".toml", ".json", ".npy", ".onnx", ".data", ".safetensors", ".log", ".png", ".txt",
    }  # fmt: skip


def test_it_reads_another_catalogue(recipe):
    shop, registry = small_shop(), Registry()
    deps = Deps(items=shop.items, build=lambda kind, options: registry.build(kind, options, Deps(items=shop.items)))
    one = registry.build("rerankers", {"use": "compressed", "artifact": REF}, deps)
    assert isinstance(one, Listwise)
    assert one.trained
    assert one.codes().shape[0] == len(shop.items)
    assert np.abs(one.codes().astype(np.float32)).sum(axis=1).min() > 0
    assert one.config.max_move == (None if recipe["held_out"]["max_move"] == "any" else recipe["held_out"]["max_move"])
    assert registry.build("rerankers", {"use": "compressed", "artifact": REF, "max_move": 2}, deps).config.max_move == 2


def test_it_serves_without_torch():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from recsys.protocols import Deps\n"
        "from recsys.registry import Registry\n"
        "from recsys.testing.worlds import small_shop\n"
        "items, registry = small_shop().items, Registry()\n"
        "deps = Deps(items=items, build=lambda kind, options: registry.build(kind, options, Deps(items=items)))\n"
        f"registry.build('rerankers', {{'use': 'compressed', 'artifact': {REF!r}}}, deps)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
