from typing import Any

import numpy as np
import pytest
import torch

from recsys.errors import ModelError
from recsys.runtime.session import Session, SessionSpec, TensorSpec
from recsys.runtime.torch import TorchSession

SPEC = SessionSpec(
    (TensorSpec("x", "float32", ("batch", 3)),), (TensorSpec("sum", "float32"), TensorSpec("double", "float32"))
)


class Toy(torch.nn.Module):
    """Answers as a mapping, a tuple or one tensor; its dropout would show if it were in training mode."""

    def __init__(self, answer: str = "mapping") -> None:
        super().__init__()
        self.answer = answer
        self.weight = torch.nn.Parameter(torch.full((1,), 2.0))
        self.dropout = torch.nn.Dropout(0.9)

    def forward(self, x: torch.Tensor) -> Any:
        double = self.dropout(x) * self.weight
        if self.answer == "mapping":
            return {"double": double, "sum": x.sum(1), "more": x}
        return (x.sum(1), double) if self.answer == "tuple" else double


@pytest.mark.parametrize("answer", ["mapping", "tuple"])
def test_outputs_by_name_without_gradients(answer: str) -> None:
    session = TorchSession(Toy(answer).train(), SPEC)
    assert isinstance(session, Session)
    assert session.spec is SPEC
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    got = session.run({"x": x})
    assert list(got) == ["sum", "double"]
    assert np.array_equal(got["sum"], [3, 12])
    assert np.array_equal(got["double"], x * 2)


def test_one_tensor() -> None:
    one = SessionSpec(SPEC.inputs, (TensorSpec("double", "float32"),))
    assert TorchSession(Toy("tensor"), one).run({"x": np.ones((1, 3), np.float32)})["double"].tolist() == [[2, 2, 2]]


def test_read_only_inputs_stay_as_they_are() -> None:
    x = np.ones((2, 3), np.float32)
    x.flags.writeable = False
    assert TorchSession(Toy(), SPEC).run({"x": x})["sum"].tolist() == [3, 3]


def test_inputs_and_outputs_that_do_not_fit() -> None:
    with pytest.raises(ModelError, match="must be float32"):
        TorchSession(Toy(), SPEC).run({"x": np.ones((1, 3))})
    with pytest.raises(ModelError, match="gives 1 outputs, the spec names sum, double"):
        TorchSession(Toy("tensor"), SPEC).run({"x": np.ones((1, 3), np.float32)})
    other = SessionSpec(SPEC.inputs, (TensorSpec("logits", "float32"),))
    with pytest.raises(ModelError, match=r"no output logits \(it gives double, sum, more\)"):
        TorchSession(Toy(), other).run({"x": np.ones((1, 3), np.float32)})


def test_weights_hash_follows_the_weights() -> None:
    one, same, other = Toy(), Toy("tuple"), Toy()
    other.weight.data += 1
    hashes = [TorchSession(m, SPEC).weights_sha256() for m in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]
