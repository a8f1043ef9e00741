"""The settings of the README, pasted as they stand into a file, with the model that it says to export."""

from __future__ import annotations

from pathlib import Path

import pytest
from blocks import blocks

from recsys import Engine
from recsys.testing.worlds import small_shop

(SETTINGS,) = [text for language, _, text in blocks("README.md") if language == "toml"]
SHOP = small_shop()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    for name in ("recsys_zero_shot", "torch", "transformers", "onnx"):
        pytest.importorskip(name)
    from recsys.runtime.export import export
    from recsys.testing.tiny import tiny_decoder

    titles = [SHOP.items.text(row) for row in range(len(SHOP.items))]
    hub = tiny_decoder(tmp_path_factory.mktemp("hub") / "lm", titles, head_dim=16, max_position_embeddings=2048)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("reader"))
        export(f"file://{hub}", Path("models/lm"), task="causal", parity=False)
        Path("recsys.toml").write_text(SETTINGS, encoding="utf-8")
        engine = Engine.from_config("recsys.toml").fit(SHOP)
        yield engine
        engine.close()


def test_no_model_serves_where_no_plan_is_named(engine):
    assert engine.config.variant == "no-llm"
    assert [s.stage for s in engine.recommend(SHOP.log.users[0]).trace.stages if "rerank" in s.stage] == []


@pytest.mark.parametrize("variant", ["zero-shot", "asked"])
def test_every_plan_of_the_settings_serves(engine, variant):
    found = engine.recommend(SHOP.log.users[0], variant=variant, explain=True)
    assert len(found) > 0
    assert set(found.trace.degraded) <= {f"rerank:{variant}:timeout"}  # a busy machine may take longer than its budget
