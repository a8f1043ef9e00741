"""What is found in the sample shop, against what its reviews are known to say."""

from collections import Counter

import pytest

from recsys.aspects import Lexicon
from recsys.data.shop import Shop, make_shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(seed=1, n_shoppers=2000)


@pytest.fixture(scope="module")
def found(shop):
    lexicon = Lexicon.learn(shop.dataset.reviews, shop.dataset.items)
    said = []
    for review in shop.dataset.reviews:
        heard: dict[str, float] = {}
        for m in lexicon.mentions(review.text):
            name = lexicon.aspects[m.aspect]
            heard[name] = heard.get(name, 0.0) + m.sentiment
        said.append(heard)
    return lexicon, said


@pytest.fixture(scope="module")
def meaning(shop, found) -> dict[str, str]:
    """Which known aspect each found one stands for: the one that three of five of its reviews speak of."""
    both: Counter[tuple[str, str]] = Counter()
    every: Counter[str] = Counter()
    for heard, truth in zip(found[1], shop.truth.mentions, strict=True):
        every.update(heard.keys())
        both.update((name, known) for name in heard for known, _ in truth)
    return {name: known for (name, known), n in both.items() if n >= 0.6 * every[name]}


def test_most_known_aspects_are_found_and_most_found_ones_are_known(shop, found, meaning):
    assert len(set(meaning.values())) >= 22, f"of {len(shop.truth.aspects)}: {sorted(set(meaning.values()))}"
    assert len(meaning) >= 0.8 * len(found[0].aspects)


def test_mentions_and_their_sentiment_are_right(shop, found, meaning):
    right = wrong = agree = against = known = 0
    for heard, truth in zip(found[1], shop.truth.mentions, strict=True):
        tones = dict(truth)
        known += len(tones)
        for name, sentiment in heard.items():
            tone = tones.get(meaning.get(name, ""))
            right += tone is not None
            wrong += tone is None
            if tone is not None and abs(sentiment) >= 0.1:
                agree += sentiment * tone > 0
                against += sentiment * tone < 0
    assert right / (right + wrong) > 0.8
    assert right / known > 0.6
    assert agree / (agree + against) > 0.95
