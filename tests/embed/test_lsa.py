import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from recsys.dataset import Dataset
from recsys.embed.lsa import LSA
from recsys.embed.words import words
from recsys.errors import ArtifactDamaged, ShapeMismatch
from recsys.protocols import Deps, FitOptions
from recsys.testing.kits import EmbedderTests, TrainableTests
from recsys.types import Item


class TestLSA(EmbedderTests, TrainableTests):
    @pytest.fixture
    def component(self):
        return lambda: LSA(LSA.Config(dim=24))


def catalogue(*titles: str) -> Dataset:
    return Dataset.of([Item(item_id=str(i), title=t) for i, t in enumerate(titles)], [])


def test_full_rank_keeps_the_angles_of_tfidf(small_shop: Dataset) -> None:
    texts = [small_shop.items.text(r) for r in range(len(small_shop.items))]
    got = LSA(LSA.Config(dim=60)).fit(small_shop, FitOptions()).embed(texts, "item")
    want = TfidfVectorizer(analyzer=words, sublinear_tf=True, min_df=2).fit_transform(texts)
    assert np.abs(got @ got.T - (want @ want.T).toarray()).max() < 1e-4


def test_low_rank_keeps_as_much_as_the_best_projection(small_shop: Dataset) -> None:
    texts = [small_shop.items.text(r) for r in range(len(small_shop.items))]
    matrix = TfidfVectorizer(analyzer=words, sublinear_tf=True, min_df=2).fit_transform(texts).toarray()
    best = (np.linalg.svd(matrix, compute_uv=False)[:8] ** 2).sum()
    vectors = LSA(LSA.Config(dim=8)).fit(small_shop, FitOptions()).embed(texts, "item")
    # The part of the rows that lies in the span of the embeddings.
    basis = np.linalg.qr(vectors)[0]
    assert ((basis.T @ matrix) ** 2).sum() > 0.97 * best


def test_kin_are_near_and_unknown_words_are_nothing() -> None:
    titles = ["red enamel kettle", "blue enamel kettle", "bamboo garden rake", "copper garden rake"]
    lsa = LSA.from_config(LSA.Config(dim=2), Deps()).fit(catalogue(*titles), FitOptions())
    kettle, other, rake, nothing = lsa.embed(["kettle", "enamel", "garden rake", "zebra"], "query")
    assert kettle @ other > 0.9 > 0.2 > abs(kettle @ rake)
    assert not nothing.any()


def test_dim_is_kept_where_the_catalogue_is_small() -> None:
    lsa = LSA(LSA.Config(dim=50)).fit(catalogue("red pan", "red lid"), FitOptions())
    got = lsa.embed(["red"], "item")
    assert got.shape == (1, 50)
    assert np.isclose(np.linalg.norm(got), 1)


@pytest.mark.parametrize("titles", [(), ("",), ("each", "word", "once")])
def test_a_catalogue_without_common_words_gives_zeros(titles: tuple[str, ...]) -> None:
    lsa = LSA(LSA.Config(dim=3)).fit(catalogue(*titles), FitOptions())
    assert lsa.embed(["each"], "item").tolist() == [[0, 0, 0]]


def test_only_the_commonest_words_count() -> None:
    lsa = LSA(LSA.Config(dim=2, max_terms=2)).fit(catalogue("a b c", "a b c", "a b", "a"), FitOptions())
    assert lsa.embed(["a", "c"], "item").any(axis=1).tolist() == [True, False]


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    lsa = LSA(LSA.Config(dim=2)).fit(catalogue("red pan", "red lid"), FitOptions())
    good = tmp_path / "good"
    good.mkdir()
    lsa.save(good)
    for name, content, error in (
        ("words.json", '["red", "pan"]', ShapeMismatch),
        ("idf.npy", "no array", ArtifactDamaged),
    ):
        bad = tmp_path / f"bad {name}"
        shutil.copytree(good, bad)
        (bad / name).write_text(content)
        with pytest.raises(error):
            LSA.load(bad, Deps())
