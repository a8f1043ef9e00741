from pathlib import Path

import numpy as np
import pytest

from recsys.embed import index as module
from recsys.embed.index import Exact
from recsys.errors import ArtifactMissing, NotFittedError, ShapeMismatch
from recsys.protocols import Deps
from recsys.testing.kits import IndexTests
from recsys.testing.kits.indexes import unit_vectors


class TestExact(IndexTests):
    @pytest.fixture
    def component(self):
        return Exact.from_config(Exact.Config(), Deps()).build


def test_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = Exact(unit_vectors(50)), unit_vectors(23, seed=1)
    mask = np.arange(50) % 3 != 0
    want = index.search(queries, 7, mask)
    monkeypatch.setattr(module, "CHUNK_CELLS", 120)
    got = index.search(queries, 7, mask)
    assert np.array_equal(got[0], want[0])
    assert np.allclose(got[1], want[1], atol=1e-6)


def test_saved_and_loaded(tmp_path: Path) -> None:
    index = Exact(unit_vectors(30))
    index.save(tmp_path)
    want = index.search(unit_vectors(4, seed=2), 5, None)
    got = Exact.load(tmp_path, Deps()).search(unit_vectors(4, seed=2), 5, None)
    assert np.array_equal(got[0], want[0])
    assert np.array_equal(got[1], want[1])


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        Exact().search(unit_vectors(1), 1, None)
    with pytest.raises(NotFittedError):
        Exact().save(tmp_path)
    with pytest.raises(ArtifactMissing):
        Exact.load(tmp_path, Deps())
    with pytest.raises(ShapeMismatch, match=r"\(q, 16\), got \(2, 8\)"):
        Exact(unit_vectors(5)).search(unit_vectors(2, dim=8), 1, None)
