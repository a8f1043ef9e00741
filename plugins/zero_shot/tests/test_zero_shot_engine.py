"""The plug-in in an engine: by name from the settings, a model from disk, variants side by side; light to import."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import recsys_zero_shot

from recsys import Engine
from recsys.config import EngineConfig
from recsys.errors import ConfigError
from recsys.testing.worlds import shopper_id, small_shop

ROOT = Path(recsys_zero_shot.__file__).parent
PROMPTED = ("pointwise", "pairwise", "listwise", "likelihood", "chain")
ENCODED = ("bi-encoder", "late-interaction")
MODULES = sorted(ROOT.glob("*.py"))


@pytest.fixture(scope="module")
def engine(tiny_folder: Path) -> Engine:
    options = {"model": "tiny", "budget": 2048, "window": 4, "top": 4, "history": 3}
    prompted = {name: dict(options) for name in PROMPTED}
    prompted["chain"] |= {"tastes": 8, "chosen": 2}
    config = EngineConfig.of({
        "candidates": {"popularity": {}, "transitions": {}}, "rank": {},
        "models": {"tiny": {"ref": f"file://{tiny_folder}", "threads": 1}},
        "rerank": {**prompted, **{name: {"top": 4, "weight": 0.9} for name in ENCODED}},
        "variants": {"plain": {}, **{name: {"rerank": name} for name in (*PROMPTED, *ENCODED)}}, "variant": "plain",
    })  # fmt: skip
    return Engine(config).fit(small_shop())


@pytest.mark.parametrize("name", [*PROMPTED, *ENCODED])
def test_a_variant_reranks_and_says_what_it_took(engine, name):
    plain = engine.recommend(shopper_id(3), 6, variant="plain")
    got = engine.recommend(shopper_id(3), 6, variant=name)
    assert sorted(r.item_id for r in got) == sorted(r.item_id for r in plain)
    assert [r.item_id for r in got][4:] == [r.item_id for r in plain][4:]
    assert (got.trace.degraded, got.trace.stages[-1].plugin) == ((), name)
    assert (name in ENCODED) == ("tokens_in" not in got.trace.counts)
    if name in ("listwise", "chain"):
        assert got.trace.counts["repairs"] == 0
        assert got.trace.counts["tokens_out"] > 0


def test_a_search_is_reranked_by_the_same_schema(engine):
    got = engine.search("kettle", shopper_id(3), 4, variant="likelihood")
    assert len(got) > 0
    assert got.trace.counts["tokens_in"] > 50


def test_what_a_model_has_read_of_a_shopper_goes_with_them(engine):
    user = shopper_id(5)
    engine.recommend(user, 4, variant="likelihood")
    assert engine.fitted.rerankers["likelihood"].forget(user) > 0
    engine.recommend(user, 4, variant="likelihood")
    engine.erase(user)
    assert engine.fitted.rerankers["likelihood"].forget(user) == 0


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no \[models\.gone\]"):
        Engine(EngineConfig.of({
            "candidates": {"popularity": {}}, "rank": {}, "rerank": {"pointwise": {"model": "gone"}},
            "variants": {"x": {"rerank": "pointwise"}}, "variant": "x",
        })).fit(small_shop())  # fmt: skip


def test_everything_is_registered():
    names = {e.name for e in entry_points(group="recsys.rerankers") if e.value.startswith("recsys_zero_shot.")}
    assert names == {*PROMPTED, *ENCODED}
    for kind in ("recsys.rerankers", "recsys.explainers"):
        for entry in entry_points(group=kind):
            if entry.value.startswith("recsys_zero_shot."):
                assert hasattr(entry.load(), "from_config")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_only_public_names_are_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.module
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            assert not any(part.startswith("_") for part in parts if part != "__future__"), f"{path}: {parts}"
            assert parts[0] in {"recsys", "recsys_zero_shot", "numpy", "scipy", "pydantic"} | set(
                sys.stdlib_module_names
            ), parts


def test_importing_it_loads_nothing_heavy():
    for path in MODULES:
        importlib.import_module(f"recsys_zero_shot.{path.stem}")
    names = [f"recsys_zero_shot.{p.stem}" for p in MODULES]
    heavy = ["torch", "onnxruntime", "transformers", "tokenizers", "onnx", "sklearn"]
    loaded = f"[importlib.import_module(n) for n in {names}]; print([m for m in {heavy} if m in sys.modules])"
    script = f"import importlib, sys; {loaded}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
