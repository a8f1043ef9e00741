"""Words for rerankers, and settings that keep their own."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from recsys.config import EngineConfig
from recsys.errors import UnknownPlugin
from recsys.registry import Registry
from recsys.rerank.base import Reranker
from recsys.settings import with_rerank

CONFIG = EngineConfig.of({"candidates": {"popularity": {}}, "rerank": {"mine": {"use": "late-interaction", "top": 5}}})


def test_a_word_is_what_the_package_says():
    config = with_rerank(CONFIG, ["zero-shot", "late-interaction", "mine"])
    assert {n: s.use for n, s in config.rerank.items()} == {
        "mine": "late-interaction", "zero-shot": "bi-encoder", "late-interaction": "late-interaction",
    }  # fmt: skip
    assert config.rerank["mine"].top == 5
    assert with_rerank(CONFIG, []) is CONFIG
    assert with_rerank(CONFIG, ["mine"]) is CONFIG


def test_any_registered_reranker_goes_by_its_own_name():
    class Own(Reranker):
        def judge(self, requests, slates):
            raise NotImplementedError

    registry = Registry()
    registry.register("rerankers", "own", Own)
    assert with_rerank(CONFIG, ["own"], registry).rerank["own"].use == "own"
    with pytest.raises(UnknownPlugin, match="late-interaction"):
        with_rerank(CONFIG, ["late-interactoin"], registry)


def test_packaged_words_are_settings_of_rerankers():
    packaged = tomllib.loads((files("recsys") / "tuned" / "rerank.toml").read_text(encoding="utf-8"))
    assert {"zero-shot", "fine-tuned", "text-permuted", "no-text"} <= set(packaged)
    for name, stage in packaged.items():
        use = stage.pop("use", name)
        # A reranker that is not installed is refused by name, one that is knows the settings.
        try:
            component = Registry().get("rerankers", use)
        except UnknownPlugin:
            continue
        component.Config.model_validate({k: v for k, v in stage.items() if k != "top"})
