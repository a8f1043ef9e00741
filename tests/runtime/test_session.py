import numpy as np
import pytest

from recsys.errors import ModelError, ShapeMismatch
from recsys.runtime.session import SessionSpec, TensorSpec

SPEC = SessionSpec(
    (TensorSpec("ids", "int64", ("batch", "tokens")), TensorSpec("mask", "int64", ("batch", "tokens"))),
    (TensorSpec("out", "float32", ("batch", 3)),),
)


def ids(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int64)


def test_names() -> None:
    assert SPEC.input_names == ("ids", "mask")
    assert SPEC.output_names == ("out",)


def test_check_returns_inputs_in_order_and_contiguous() -> None:
    got = SPEC.check({"mask": ids(3, 2).T, "ids": ids(2, 3)})
    assert list(got) == ["ids", "mask"]
    assert all(a.flags.c_contiguous and a.shape == (2, 3) for a in got.values())


def test_missing_and_unknown_inputs_are_named() -> None:
    with pytest.raises(ModelError, match=r"missing 'mask', unknown 'masks' \(it takes ids, mask\)"):
        SPEC.check({"ids": ids(2, 3), "masks": ids(2, 3)})


def test_wrong_dtype_is_named() -> None:
    with pytest.raises(ModelError, match="'mask' must be int64, got float64"):
        SPEC.check({"ids": ids(2, 3), "mask": np.zeros((2, 3))})


def test_wrong_rank_and_fixed_size() -> None:
    with pytest.raises(ShapeMismatch, match=r"'ids' must have shape \(batch, tokens\), got \(2,\)"):
        SPEC.check({"ids": ids(2), "mask": ids(2, 3)})
    fixed = SessionSpec((TensorSpec("x", "int64", (None, 4)),), ())
    assert fixed.check({"x": ids(7, 4)})["x"].shape == (7, 4)
    with pytest.raises(ShapeMismatch, match=r"shape \(any, 4\), got \(7, 5\)"):
        fixed.check({"x": ids(7, 5)})


def test_inputs_that_disagree() -> None:
    with pytest.raises(ShapeMismatch, match="'ids' and 'mask' disagree about 'tokens': 3 and 4"):
        SPEC.check({"ids": ids(2, 3), "mask": ids(2, 4)})


def test_unknown_rank_takes_any_shape() -> None:
    free = SessionSpec((TensorSpec("x", "int64"),), ())
    assert free.check({"x": ids(1, 2, 3)})["x"].shape == (1, 2, 3)
