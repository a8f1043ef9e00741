"""A bundle whose reranker's model is not there any more: it loads, serves without it, and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_toys import SHOPPERS, ids

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import ArtifactMissing, ModelError, StageError
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.runtime.models import ModelRef
from recsys.testing.worlds import small_shop
from recsys.types import Item


class Asking(Reranker):
    """Turns lists round; it needs a file for that, by the name of a model."""

    reads_queries = True
    warmed = 0

    @classmethod
    def from_config(cls, config, deps):
        ModelRef.parse(deps.models["lm"].ref).path()
        return cls(config, deps.items)

    def warm_up(self):
        Asking.warmed += 1

    def judge(self, requests, slates):
        return Judgement(np.arange(len(slates.items), dtype=np.float32))


class Learning(Asking):
    """As if it had learned."""

    def save(self, folder):
        (folder / "learned").write_text("much", encoding="utf-8")

    @classmethod
    def load(cls, folder, deps):
        return cls.from_config(cls.Config(max_move=9), deps)


def registry() -> Registry:
    own = Registry()
    own.register("rerankers", "asking", Asking)
    own.register("rerankers", "learning", Learning)
    return own


def saved(folder: Path, use: str = "asking") -> Engine:
    (folder / "lm").mkdir()
    (folder / "recsys.toml").write_text(
        f'variant = "fused"\nmodels.lm.ref = "file://lm"\nrerank.{use} = {{ max_move = 9 }}\nrank = {{}}\n'
        f'variants = {{ fused = {{}}, asked = {{ rerank = "{use}" }} }}\n'
        "candidates = { popularity = {}, transitions = {} }\n",
        encoding="utf-8",
    )
    engine = Engine(EngineConfig.read(folder / "recsys.toml"), registry=registry()).fit(small_shop())
    engine.save(folder / "bundle")
    return engine


def test_references_are_relative_to_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine = saved(tmp_path)
    monkeypatch.chdir("/")
    assert engine.config.models["lm"].ref == f"file://{tmp_path / 'lm'}"
    loaded = Engine.load(tmp_path / "bundle", engine.store, registry())
    lists = [e.recommend(SHOPPERS[3], 5, variant="asked") for e in (engine, loaded)]
    assert ids(lists[0]) == ids(lists[1])
    assert not lists[1].trace.degraded


@pytest.mark.parametrize("ref", ["file:///models/lm", "file://~/lm", "hf://owner/name", "package://recsys/lm"])
def test_other_references_stay(tmp_path: Path, ref: str):
    (tmp_path / "recsys.toml").write_text(f'models.lm.ref = "{ref}"\n', encoding="utf-8")
    assert EngineConfig.read(tmp_path / "recsys.toml").models["lm"].ref == ref


def test_without_its_model_a_bundle_serves_the_incoming_order(tmp_path: Path):
    engine = saved(tmp_path)
    (tmp_path / "lm").rmdir()
    loaded = Engine.load(tmp_path / "bundle", engine.store, registry())
    assert any(w.startswith("asking is left out: file://") for w in loaded.warnings)
    fused = loaded.recommend(SHOPPERS[3], 5)
    assert not fused.trace.degraded
    for _ in range(5):  # whoever asks is told why, however often
        asked = loaded.recommend(SHOPPERS[3], 5, variant="asked")
        assert ids(asked) == ids(fused)
        assert asked.trace.degraded == ("rerank:asking:ArtifactMissing",)
    with pytest.raises(StageError, match="nothing is at"):
        loaded.recommend(SHOPPERS[3], 5, variant="asked", strict=True)
    loaded.add_items([Item(item_id="new", title="New")])
    assert loaded.recommend(SHOPPERS[3], 5, variant="asked").trace.degraded
    loaded.save(tmp_path / "again")


def test_what_it_learned_is_not_lost_by_a_save(tmp_path: Path):
    engine = saved(tmp_path, "learning")
    (tmp_path / "lm").rmdir()
    loaded = Engine.load(tmp_path / "bundle", engine.store, registry())
    assert loaded.recommend(SHOPPERS[3], 5, variant="asked").trace.degraded == ("rerank:learning:ArtifactMissing",)
    with pytest.raises(ArtifactMissing):
        loaded.save(tmp_path / "again")
    with pytest.raises(ModelError):
        Engine.load(tmp_path / "again")


def test_who_serves_is_warmed_up_before_anybody_asks(tmp_path: Path):
    Asking.warmed = 0
    engine = saved(tmp_path)
    assert Asking.warmed == 1  # by the fit, before it takes over
    Engine.load(tmp_path / "bundle", engine.store, registry())
    assert Asking.warmed == 1  # it has no part in the usual lists: whoever asks for it first sees to that
    usual = engine.config.model_copy(update={"variant": "asked"})
    Engine(usual, registry=registry()).fit(small_shop()).save(tmp_path / "other")
    Asking.warmed = 0
    Engine.load(tmp_path / "other", engine.store, registry())
    assert Asking.warmed == 1


def test_what_the_fit_warmed_up_is_not_warmed_up_again(tmp_path: Path):
    (tmp_path / "lm").mkdir()
    rerank = {"asking": {"max_move": 9, "budget_ms": 60_000}}
    config = {
        "variant": "fused", "models": {"lm": {"ref": f"file://{tmp_path / 'lm'}"}}, "rerank": rerank, "rank": {},
        "candidates": {"popularity": {}}, "variants": {"fused": {}, "asked": {"rerank": "asking"}},
    }  # fmt: skip
    Asking.warmed = 0
    engine = Engine(EngineConfig.of(config), registry=registry())
    for fits in (1, 2):
        engine.fit(small_shop())
        for round in range(2):
            engine.add_items([Item(item_id=f"late-{fits}-{round}", title="kettle")])
            assert not engine.recommend(SHOPPERS[3], 5, variant="asked").trace.degraded
            assert Asking.warmed == fits
    engine.save(tmp_path / "bundle")
    loaded = Engine.load(tmp_path / "bundle", engine.store, registry())
    for _ in range(2):
        assert not loaded.recommend(SHOPPERS[3], 5, variant="asked").trace.degraded
    assert Asking.warmed == 3  # by who asked first
