"""The search benchmark on small shops: its products, its queries, and what its lines say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import search
from benchmarks.products import make_products, make_queries, tail
from benchmarks.runner import run_case
from recsys.eval.search_typos import MIN_LETTERS
from recsys.search.analysis import Analyzer


@pytest.fixture(scope="module")
def products():
    return make_products(800)


def test_products_are_the_same_for_a_seed_and_others_for_another(products):
    again, other = make_products(800), make_products(800, seed=1)
    assert again.titles == products.titles
    assert again.texts == products.texts
    assert other.titles != products.titles


def test_a_product_says_its_brand_and_has_words_of_the_long_tail(products):
    assert all(t.startswith(b) for t, b in zip(products.titles, products.brands, strict=True))
    rare = set(tail())
    assert len(rare) == len(tail()) == 100_000
    assert all(word.isalpha() and word.islower() and len(word) >= MIN_LETTERS for word in rare)
    assert sum(len(rare & set(text.rstrip(".").split())) >= 4 for text in products.texts) == 800
    assert 0.3 < np.mean([any(c.isdigit() for c in t.split()[-1]) for t in products.titles]) < 0.6


def test_queries_are_words_of_a_title_and_some_have_one_slip(products):
    meant, typed = make_queries(products, 300)
    assert (meant, typed) == make_queries(products, 300)
    assert len(set(meant)) == len(meant) == len(typed) == 300
    cut = Analyzer().raw
    titles = [set(cut(title)) for title in products.titles]
    assert all(any(set(cut(query)) <= title for title in titles) for query in meant)
    assert {len(cut(query)) for query in meant} == {1, 2, 3, 4}
    wrong = [(a, b) for a, b in zip(meant, typed, strict=True) if a != b]
    assert 0.15 < len(wrong) / 300 < 0.4
    for a, b in wrong:
        assert abs(len(a) - len(b)) <= 1
        assert sum(x != y for x, y in zip(a.split(), b.split(), strict=True)) == 1


def test_every_step_answers_the_same_queries(tmp_path):
    lines = {}
    *cases, last = [{**case, "products": 400} for case in search.cases(quick=True)]
    for case in cases:
        [line] = search.run(case, tmp_path)
        lines[line["name"]] = line
    assert list(lines) == list(search.STEPS)
    [compiling] = run_case("search", last, tmp_path)  # in a process of its own
    assert compiling["name"] == search.COMPILING
    assert any((tmp_path / "numba").rglob("*.nbc"))
    with pytest.raises(RuntimeError, match="numba"):
        search.run(last, tmp_path)
    assert lines["build"]["figures"]["index_mb"] > 0
    both = [lines[name]["figures"] for name in search.SEARCHES]
    reference = lines[search.REFERENCE]["figures"]
    for figures in both:
        assert figures["x_reference"] == pytest.approx(figures["qps"] / reference["qps"], rel=1e-2)
        assert figures["p50_ms"] <= figures["p95_ms"]
        assert figures["right"] > 0.97
    forgiving, strict = both
    assert forgiving["right_misspelt"] > 0.9
    assert forgiving["right_misspelt"] > strict["right_misspelt"] + 0.1
    assert forgiving["right_misspelt"] > reference["right_misspelt"] + 0.1


def test_right_counts_only_the_places_that_could_be_right(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps([[3, 4, 5], list(range(50))]), encoding="utf-8")
    lists = [np.array([3, 9, 4]), np.arange(45, 55)]
    found = search.right(lists, np.array([False, True]), tmp_path)
    assert found == {"right": pytest.approx(2 / 3, rel=1e-3), "right_misspelt": 0.5}
