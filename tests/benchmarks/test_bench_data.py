from __future__ import annotations

import numpy as np
import pytest

from benchmarks.corpus import make_corpus
from benchmarks.shops import END, SHELF, follower, make_shop
from recsys.embed.words import words


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(1000)


def test_documents_are_the_same_for_a_seed_and_others_for_another(corpus):
    again, other = make_corpus(1000), make_corpus(1000, seed=1)
    assert np.array_equal(corpus.tokens, again.tokens)
    assert not np.array_equal(corpus.tokens, other.tokens)


def test_a_document_is_a_title_and_the_words_that_follow(corpus):
    documents = corpus.documents()
    assert len(documents) == len(corpus) == 1000
    assert documents[17] == corpus.document(17)
    assert all(name.startswith("zipf") for name in documents[17][-10:])
    assert not any(name.startswith("zipf") for name in documents[17][:-10])


def test_words_survive_the_tokeniser(corpus):
    for document in corpus.documents()[:50]:
        assert words(" ".join(document)) == document


def test_no_word_is_in_more_than_half_of_the_documents(corpus):
    # There bm25s and rank-bm25 go separate ways, which is not what the benchmark is about.
    documents = [set(document) for document in corpus.documents()]
    counts = np.unique([word for document in documents for word in document], return_counts=True)[1]
    assert counts.max() <= len(documents) / 2
    assert (counts == 1).sum() > 1000  # and the tail is long


def test_queries_are_words_of_one_document(corpus):
    documents = [set(document) for document in corpus.documents()]
    queries = corpus.queries(40, seed=3)
    assert queries == corpus.queries(40, seed=3)
    for query in queries:
        asked = query.split()
        assert 2 <= len(asked) <= 5
        assert len(set(asked)) == len(asked)
        assert any(set(asked) <= document for document in documents)


def test_a_shop_has_the_sizes_asked_for():
    shop = make_shop(500, 800)
    events = shop.log.events
    assert len(shop.items) == 500
    assert shop.log.n_users == 800
    assert 8 < len(events) / 800 < 10
    assert np.diff(shop.log.offsets).min() >= 3
    assert events.rows.min() >= 0
    assert events.rows.max() < 500
    assert events.times.max() <= END
    for user in (0, 399, 799):
        assert (np.diff(shop.log.history(user).times) >= 0).all()


def test_one_thing_leads_to_another():
    shop = make_shop(600, 1000)
    rows, owner = shop.log.events.rows.astype(np.int64), shop.log.owner
    same = owner[1:] == owner[:-1]
    leads = (rows[1:] == follower(rows[:-1]))[same]
    assert 0.35 < leads.mean() < 0.5
    assert len(np.unique(follower(np.arange(SHELF)))) == SHELF
