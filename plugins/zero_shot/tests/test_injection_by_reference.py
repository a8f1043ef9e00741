"""Any language model by reference goes through the injection test and the probes."""

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.eval.injection import injection, reranker_of
from recsys.eval.probes import history_order, popularity_bias, position_bias
from recsys.runtime.export import export
from recsys.testing.tiny import tiny_decoder
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Slates

SHOP = small_shop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Qwen3 as it is downloaded, exported."""
    base = tmp_path_factory.mktemp("by-reference")
    texts = [SHOP.items.text(row) for row in range(len(SHOP.items))]
    tiny_decoder(base / "hub", texts, seed=5, head_dim=16, max_position_embeddings=1024)
    export(f"file://{base / 'hub'}", base / "model", task="causal", max_tokens=1024, parity=False)
    return base / "model"


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(0)
    requests = [r for r in requests_of(SHOP) if len(r.history) > 2][:6]
    return requests, Slates.of([rng.choice(40, 5, replace=False) for _ in requests])


@pytest.mark.parametrize("use", ["pointwise", "listwise", "likelihood"])
def test_any_causal_model_by_reference(folder, lists, use):
    requests, slates = lists
    reranker = reranker_of(f"file://{folder}", SHOP.items, use=use, threads=1)
    found = injection(reranker, SHOP.items, requests, slates, share=0.2, shuffles=2, wordings=1)
    assert found.marked == round(0.2 * len(np.unique(slates.items)))
    assert np.isfinite([found.difference, found.noise, *found.ci95]).all()


def test_the_probes_take_it_too(folder, lists):
    requests, slates = lists
    reranker = reranker_of(f"file://{folder}", SHOP.items, use="pointwise", threads=1)
    targets = slates.items[slates.offsets[:-1]]
    assert position_bias(reranker, requests, slates, targets, positions=(0, 4)).slope == 0
    assert history_order(reranker, requests, slates, targets, shuffles=1).lists == len(requests)
    popularity = np.bincount(SHOP.log.events.rows, minlength=40)
    assert -1 <= popularity_bias(reranker, requests, slates, popularity, shuffles=1).correlation <= 1


def test_a_reference_to_nothing(tmp_path):
    with pytest.raises(ConfigError):
        reranker_of("no-such-scheme://x", SHOP.items, use="pointwise")
