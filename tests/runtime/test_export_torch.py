"""An exported model and torch: the same scores, the same refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_toys import lists

from recsys.errors import ConfigError
from recsys.runtime.artifact import Artifact, model_from, open_model
from recsys.runtime.batching import JoinedCausal
from recsys.runtime.causal import CausalLM
from recsys.runtime.export import export
from recsys.runtime.prefixes import Prompt
from recsys.testing.tiny import tiny_decoder

Source = Callable[[str], Path]


@pytest.mark.parametrize("task", ["causal", "cross-encoder", "encoder"])
def test_torch_runs_the_same_model(task: str, source: Source, tmp_path: Path) -> None:
    from test_artifact import Settings

    data = lists(source(task), tmp_path / "whole", n=2)
    onnx = data.scores(model_from(Artifact.open(tmp_path / "whole")))
    theirs = open_model(Settings(f"file://{source(task)}", runtime="torch"))
    np.testing.assert_allclose(data.scores(theirs), onnx, atol=1e-4)


def test_torch_does_not_run_every_model(source: Source) -> None:
    from test_artifact import Settings

    with pytest.raises(ConfigError, match="recsys export"):
        open_model(Settings(f"file://{source('seq2seq')}", runtime="torch"))


def test_neither_torch_nor_transformers_is_needed(source: Source, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
for name in ("torch", "transformers", "safetensors"):
    sys.modules[name] = None
from recsys.runtime.export import export
from recsys.runtime.artifact import Artifact, model_from
for k, source in enumerate(sys.argv[2:]):
    made = export(source, Path(sys.argv[1]) / str(k), precision="int8", ungated=True, parity=False)
    model_from(Artifact.open(made.folder))
print(made.spec["task"])
"""
    folders = [str(source(task)) for task in ("encoder", "cross-encoder", "seq2seq")]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *folders], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "seq2seq"


@pytest.mark.parametrize(
    ("family", "window"), [("mistral", {}), ("qwen2", {"use_sliding_window": True, "max_window_layers": 0})]
)
def test_torch_reads_up_to_a_window_that_slides(
    tmp_path: Path, shop_texts: list[str], family: str, window: dict[str, Any]
) -> None:
    from test_artifact import Settings

    folder = tiny_decoder(tmp_path / "hub", shop_texts, family, sliding_window=24, **window)
    export(str(folder), tmp_path / "out", parity=False)
    ours = open_model(Settings(f"file://{tmp_path / 'out'}"))
    theirs = open_model(Settings(f"file://{folder}", runtime="torch"))
    assert isinstance(ours, CausalLM)
    assert isinstance(theirs, CausalLM)
    assert ours.max_tokens == theirs.max_tokens == 24
    ids = np.random.default_rng(0).integers(3, 300, (9, 14))
    prompt, more = [Prompt((ids[0],))], [[Prompt((row[:6],)) for row in ids[1:]]]
    np.testing.assert_allclose(theirs.score(prompt, more)[0], ours.score(prompt, more)[0], atol=1e-4)
    written = [m.generate(prompt, max_new_tokens=8)[0].ids.tolist() for m in (ours, theirs)]
    assert written[0] == written[1]


def test_torch_keeps_the_settings_of_a_model(source: Source) -> None:
    import torch
    from test_artifact import Settings

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        made = open_model(Settings(f"file://{source('causal')}", runtime="torch", threads=1, prefix_mb=2, join_ms=1.0))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert isinstance(made, JoinedCausal)
    prompts = [Prompt((np.arange(3, 9),), tag="shopper")]
    first = made.next_token_logits(prompts)
    assert made.forget("shopper") > 0
    np.testing.assert_allclose(made.next_token_logits(prompts), first, atol=1e-5)
    made.close()
