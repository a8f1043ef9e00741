import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from recsys.embed.cache import EmbeddingCache, Identified, embed_items
from recsys.protocols import Embedder
from recsys.types import Vectors


class Spelling:
    """Vectors made of letter counts; remembers what it was asked."""

    def __init__(self, model_id: str = "spelling") -> None:
        self.model_id = model_id
        self.asked: list[str] = []

    @property
    def dim(self) -> int:
        return 26

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        self.asked += texts
        rows = [[t.count(chr(97 + i)) + i / 100 for i in range(26)] for t in texts]
        out = np.array(rows, dtype=np.float32).reshape(len(texts), 26)
        return out / np.linalg.norm(out, axis=1, keepdims=True)


class Nameless:
    dim = 26

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        return Spelling().embed(texts, role)


TEXTS = ["kettle", "rake", "", "kettle", "train set", "\ud83d"]


def test_fakes_have_the_protocols() -> None:
    assert isinstance(Spelling(), Embedder)
    assert isinstance(Spelling(), Identified)
    assert not isinstance(Nameless(), Identified)


def test_second_time_nothing_is_embedded(tmp_path: Path) -> None:
    first, second = Spelling(), Spelling()
    want = Spelling().embed(TEXTS, "item")
    assert np.array_equal(embed_items(first, TEXTS, tmp_path), want)
    assert sorted(first.asked) == sorted(set(TEXTS))
    assert np.array_equal(embed_items(second, TEXTS[::-1], tmp_path), want[::-1])
    assert second.asked == []


def test_only_new_texts_are_embedded(tmp_path: Path) -> None:
    embed_items(Spelling(), TEXTS, tmp_path)
    later = Spelling()
    got = embed_items(later, ["pan", "rake", "lid"], tmp_path)
    assert sorted(later.asked) == ["lid", "pan"]
    assert np.array_equal(got, Spelling().embed(["pan", "rake", "lid"], "item"))
    third = Spelling()
    embed_items(third, ["pan", "kettle"], tmp_path)
    assert third.asked == []


def test_models_do_not_share(tmp_path: Path) -> None:
    embed_items(Spelling("one"), TEXTS, tmp_path)
    other = Spelling("two")
    embed_items(other, ["rake"], tmp_path)
    assert other.asked == ["rake"]


def test_without_identity_nothing_is_kept(tmp_path: Path) -> None:
    assert np.array_equal(embed_items(Nameless(), TEXTS, tmp_path), Spelling().embed(TEXTS, "item"))
    assert list(tmp_path.iterdir()) == []


def test_no_texts(tmp_path: Path) -> None:
    assert embed_items(Spelling(), [], tmp_path).shape == (0, 26)


def test_default_place_is_the_cache_folder(own_cache: Path) -> None:
    embed_items(Spelling("in the default place"), ["rake"])
    again = Spelling("in the default place")
    embed_items(again, ["rake"])
    assert again.asked == []
    assert (own_cache / "embeddings").is_dir()


@pytest.mark.parametrize("part", ["keys", "vectors"])
@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_a_damaged_segment_is_made_again(tmp_path: Path, part: str, damage: bytes | None) -> None:
    embed_items(Spelling(), TEXTS, tmp_path)
    (path,) = tmp_path.glob(f"*/*.{part}.npy")
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    again, once_more = Spelling(), Spelling()
    want = Spelling().embed(TEXTS, "item")
    assert np.array_equal(embed_items(again, TEXTS, tmp_path), want)
    assert sorted(again.asked) == sorted(set(TEXTS))
    assert np.array_equal(embed_items(once_more, TEXTS, tmp_path), want)
    assert once_more.asked == []


def test_a_segment_of_another_dimension_is_thrown_away(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, "m", 3)
    keys = cache.keys(["a", "b"])
    cache.put(keys, np.ones((2, 3), np.float32))
    assert cache.get(keys)[1].all()
    assert not EmbeddingCache(tmp_path, "m", 4).get(keys)[1].any()
    assert not list(tmp_path.glob("*/*.npy"))


def fill(folder: Path, start: int) -> None:
    for step in range(10):
        texts = [f"text {start + step * 7 + i}" for i in range(20)]
        embed_items(Spelling(), texts, folder)


def test_processes_write_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill, args=(tmp_path, start)) for start in (0, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    reader = Spelling()
    texts = [f"text {i}" for i in range(88)]
    assert np.array_equal(embed_items(reader, texts, tmp_path), Spelling().embed(texts, "item"))
    assert reader.asked == []
    assert {p.name.split(".", 1)[1] for p in tmp_path.glob("*/*")} == {"keys.npy", "vectors.npy"}
