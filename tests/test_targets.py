import numpy as np
import pytest

from recsys.errors import DataError
from recsys.targets import Targets


def test_repeats_are_dropped_when_there_are_no_gains():
    targets = Targets.of([[3, 3, 1], []])
    assert (targets.rows.tolist(), targets.offsets.tolist(), targets.counts.tolist()) == ([3, 1], [0, 2, 2], [2, 0])


def test_unknown_items_may_repeat():
    targets = Targets(np.array([-1, -1], dtype=np.int32), np.array([0, 2]))
    assert targets.relevant.tolist() == [True, True]


@pytest.mark.parametrize(
    ("rows", "offsets", "gains", "message"),
    [
        ([1, 2, 2], [0, 1, 3], None, "request 1 names target row 2 twice"),
        ([1, 2], [0, 1], None, "must rise from 0 to 2, got 0..1"),
        ([1, 2], [], None, "must rise from 0 to 2"),
        ([1, 2], [0, 3, 2], None, "must rise"),
        ([1, 2], [0, 2], [1.0], "gains has 1 entries"),
        ([1, 2], [0, 2], [1.0, -1.0], "finite and not negative"),
        ([1, 2], [0, 2], [1.0, np.nan], "finite and not negative"),
    ],
)
def test_bad_arrays_are_refused(rows, offsets, gains, message):
    with pytest.raises(DataError, match=message):
        Targets(
            np.array(rows, dtype=np.int32),
            np.array(offsets, dtype=np.int64),
            None if gains is None else np.array(gains, dtype=np.float32),
        )


def test_gains_need_the_shape_of_the_lists():
    with pytest.raises(DataError, match="shape of the target lists"):
        Targets.of([[1, 2]], [[1.0]])


def test_where_keeps_every_request_and_take_picks_some():
    targets = Targets.of([[1, 2], [3], [4, 5]], [[1, 2], [3], [4, 5]])
    kept = targets.where(targets.rows > 2)
    assert (kept.counts.tolist(), kept.rows.tolist(), kept.gains.tolist()) == ([0, 1, 2], [3, 4, 5], [3, 4, 5])
    last = targets.take(np.array([2, 0]))
    assert (last.rows.tolist(), last.counts.tolist(), last.gains.tolist()) == ([4, 5, 1, 2], [2, 2], [4, 5, 1, 2])
    assert targets.take(np.array([False, True, False])).rows.tolist() == [3]


def test_among_finds_repeats_of_the_same_request_only():
    targets = Targets.of([[1, 2], [1], [-1]])
    histories = np.array([2, 7, 2, -1], dtype=np.int32)
    assert targets.among(histories, np.array([0, 2, 3, 4])).tolist() == [False, True, False, False]
    with pytest.raises(DataError, match="of 1 requests, targets of 3"):
        targets.among(histories, np.array([0, 4]))


def test_among_is_right_for_rows_beyond_the_targets():
    targets = Targets.single(np.array([0, 1]))
    assert targets.among(np.array([5, 3], dtype=np.int32), np.array([0, 1, 2])).tolist() == [False, False]
