import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.eval.slices import history_slices, repeat_slices, slice_means, target_popularity_slices
from recsys.targets import Targets


def where(mask):
    return np.flatnonzero(mask).tolist()


def test_targets_by_popularity():
    popularity = np.array([0, 1, 2, 3, 4, 5, 6])
    masks = target_popularity_slices(Targets.single(np.arange(-1, 8)), popularity)
    assert {name: where(m) for name, m in masks.items()} == {
        "target cold": [0, 1, 8], "target rare": [2, 3], "target middle": [4, 5], "target popular": [6, 7],
    }  # fmt: skip


def test_popularity_slices_part_all_requests():
    rng = np.random.default_rng(0)
    masks = target_popularity_slices(Targets.single(rng.integers(0, 50, 500)), rng.integers(0, 9, 50), parts=4)
    assert list(masks) == ["target cold", "target q1", "target q2", "target q3", "target q4"]
    assert (np.sum(list(masks.values()), axis=0) == 1).all()


def test_the_rarest_of_several_targets_decides():
    masks = target_popularity_slices(Targets.of([[0, 1], [1]]), np.array([0, 9]))
    assert where(masks["target cold"]) == [0]
    assert masks["target cold"].tolist() != masks["target rare"].tolist()


def test_all_cold():
    masks = target_popularity_slices(Targets.single(np.array([0, -1])), np.zeros(1))
    assert where(masks["target cold"]) == [0, 1]
    assert not any(masks[f"target {n}"].any() for n in ("rare", "middle", "popular"))
    with pytest.raises(ConfigError, match="parts"):
        target_popularity_slices(Targets.of([[0]]), np.ones(1), parts=0)


def test_history_lengths():
    masks = history_slices(np.array([0, 1, 4, 5, 9, 10, 99]))
    assert {name: where(m) for name, m in masks.items()} == {
        "history 0": [0], "history 1-4": [1, 2], "history 5-9": [3, 4], "history 10+": [5, 6],
    }  # fmt: skip
    assert list(history_slices(np.array([1]), [1, 2])) == ["history 0", "history 1", "history 2+"]


@pytest.mark.parametrize("edges", [(), (5, 1), (0, 5), (1, 1)])
def test_bad_edges(edges):
    with pytest.raises(ConfigError, match="edges must rise"):
        history_slices(np.array([1]), edges)


def test_repeats():
    masks = repeat_slices(Targets.of([[1, 2], [3]]), np.array([2, 4], dtype=np.int32), np.array([0, 1, 2]))
    assert (where(masks["target repeat"]), where(masks["target new"])) == ([0], [1])


def test_means_by_slice():
    values = {"hr@10": np.array([1, 0, 1, 0], dtype=np.float32)}
    masks = {"some": np.array([True, True, True, False]), "none": np.zeros(4, dtype=bool)}
    assert slice_means(values, masks) == {"some": {"requests": 3, "hr@10": pytest.approx(2 / 3)}}
    with pytest.raises(DataError, match=r"hr@10 has 4 requests, slice 'short' has 1"):
        slice_means(values, {"short": np.ones(1, dtype=bool)})
