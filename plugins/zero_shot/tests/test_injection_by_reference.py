"""Any language model by reference goes through the injection test and the probes."""

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.eval.injection import injection, reranker_of
from recsys.eval.places import new_places
from recsys.eval.probes import history_order, popularity_bias, position_bias
from recsys.protocols import Deps
from recsys.registry import Registry
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
    assert found.entries >= found.marked
    assert (found.instructed, found.neutral) != (0, 0)  # it does read titles
    assert found.difference == pytest.approx(found.instructed - found.neutral)


def test_the_probes_take_it_too(folder, lists):
    requests, slates = lists
    alone = reranker_of(f"file://{folder}", SHOP.items, use="pointwise", threads=1)
    whole = reranker_of(f"file://{folder}", SHOP.items, use="listwise", options={"boots": 0}, threads=1)
    targets = slates.items[slates.offsets[:-1]]
    slopes = [position_bias(r, requests, slates, targets, positions=(0, 4)).slope for r in (alone, whole)]
    assert slopes[0] == 0
    assert slopes[1] != 0  # a random model that reads the list as it comes is not indifferent to the order
    assert history_order(alone, requests, slates, targets, shuffles=1).lists == len(requests)
    # Items that it puts first, taken for the popular ones.
    gains = np.zeros(40)
    np.add.at(gains, slates.items, slates.places - new_places(alone, requests, slates))
    assert popularity_bias(alone, requests, slates, gains, shuffles=2).correlation > 0.3
    assert popularity_bias(alone, requests, slates, -gains, shuffles=2).correlation < -0.3


@pytest.mark.parametrize(
    "options",
    [{"use": "bi-encoder"}, {"use": "bi-encoder", "weight": 1.0},
     {"use": "late-interaction"}, {"use": "late-interaction", "weight": 1.0}],
    ids=str,
)  # fmt: skip
def test_no_encoder_does_what_a_title_orders(options):
    """Against the same words in another order: what they say is nothing to it, that they stand there may be."""
    rng = np.random.default_rng(1)
    requests = [r for r in requests_of(SHOP) if len(r.history) > 2][:40]
    slates = Slates.of([rng.choice(40, 15, replace=False) for _ in requests])
    registry, told = Registry(), Deps(items=SHOP.items)
    deps = Deps(items=SHOP.items, build=lambda kind, asked: registry.build(kind, asked, told))
    reranker = registry.build("rerankers", options, deps)
    found = injection(reranker, SHOP.items, requests, slates, share=0.25, shuffles=8, against="scrambled")
    assert found.entries > 100
    assert found.noise < 2  # places of 15: wide enough for chance, too narrow for an order that is obeyed
    assert found.within_noise, found


def test_a_reference_to_nothing(tmp_path):
    with pytest.raises(ConfigError):
        reranker_of("no-such-scheme://x", SHOP.items, use="pointwise")
