"""The graph built by hand against the one that torch's own exporter makes of the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recsys.runtime.architectures import Architecture
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.packing import block_inputs, tree_inputs
from recsys.runtime.torch_decoder import torch_decoder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_exporter_of_torch_agrees(
    decoder_folder: Callable[[str], Path], written_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = decoder_folder("qwen3")
    a, rng = Architecture.from_folder(folder), np.random.default_rng(6)
    session = torch_decoder(folder)

    def inputs(b: int, n: int, c: int, p: int) -> dict[str, np.ndarray]:
        past = rng.normal(size=(a.layers, 2, b, a.kv_heads, p, a.head_dim)).astype(np.float32)
        groups = [[rng.normal(size=(c, a.hidden)).astype(np.float32) for _ in range(n)] for _ in range(b)]
        return block_inputs(groups, past, np.full(b, p))

    # A dimension that is 0 or 1 in the sample would be fixed: 2, 6 and 5 are free.
    sample = {k: torch.from_numpy(v) for k, v in tree_inputs(inputs(2, 2, 3, 5)).items()}
    free = torch.export.Dim.DYNAMIC
    past = [k for k in sample if k.startswith("past")]

    class Flat(torch.nn.Module):
        """The past as one argument: torch tells dimensions by argument."""

        def __init__(self) -> None:
            super().__init__()
            self.body = session._module

        def forward(self, rows: Any, positions: Any, bias: Any, cache: list[Any]) -> tuple[Any, ...]:
            return tuple(self.body(rows, positions, bias, **dict(zip(past, cache, strict=True))).values())

    program = torch.onnx.export(
        Flat().eval(),
        (sample["inputs_embeds"], sample["position_ids"], sample["bias"], [sample[k] for k in past]),
        dynamic_shapes=(
            {0: free, 1: free}, {0: free, 1: free}, {0: free, 1: free, 2: free}, [{0: free, 2: free}] * len(past),
        ),
        dynamo=True, verbose=False,
        input_names=["inputs_embeds", "position_ids", "bias", *past], output_names=list(session.spec.output_names),
    )  # fmt: skip
    program.save(tmp_path / "dynamo.onnx")
    theirs, ours = OnnxSession(tmp_path / "dynamo.onnx", threads=1), OnnxSession(written_folder("qwen3") / "body.onnx")
    for shape in ((2, 2, 3, 5), (1, 4, 2, 9), (3, 1, 1, 12)):
        block = inputs(*shape)
        want = dict(zip(session.spec.output_names, theirs.run(tree_inputs(block)).values(), strict=True))
        for output, got in ours.run(block).items():
            np.testing.assert_allclose(got.ravel(), want[output].ravel(), atol=1e-4)
