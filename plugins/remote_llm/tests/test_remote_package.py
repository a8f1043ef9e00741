import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import recsys_remote_llm
from pydantic import TypeAdapter
from recsys_remote_llm import RemoteChat, RemoteRerank, RemoteWriter

from recsys.config import EngineConfig
from recsys.registry import Registry

ROOT = Path(recsys_remote_llm.__file__).parent
README = (ROOT.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


def test_only_public_names_are_imported():
    wrong = []
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                full = [*str(node.module).split("."), *(alias.name for alias in node.names)]
                wrong += [f"{path.name}: {'.'.join(full)}" for part in full if re.match(r"_(?!_)", part)]
    assert wrong == []


def test_importing_is_light():
    heavy = "('torch', 'onnxruntime', 'transformers')"
    code = f"import recsys_remote_llm, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_examples_of_the_readme_can_be_pasted_each_alone(tmp_path):
    found = []
    for block in BLOCKS:
        (tmp_path / "recsys.toml").write_text(block, encoding="utf-8")
        found.append(EngineConfig.read(tmp_path / "recsys.toml"))
    assert {c.variant for c in found} == {"no-llm"}
    assert found[0].rerank[found[0].variants["chat"].rerank].use == "remote-chat"


def test_the_examples_of_the_readme_are_settings():
    tables = tomllib.loads("\n".join(BLOCKS))
    assert set(tables["rerank"]) >= {"vllm", "llama-cpp", "ollama", "jina", "cohere"}
    kinds = {("rerankers", "remote-chat"): RemoteChat, ("rerankers", "remote-rerank"): RemoteRerank}
    for table in tables["rerank"].values():
        kind = Registry().get("rerankers", table.pop("use"))
        assert kind in kinds.values()
        TypeAdapter(kind.Config).validate_python(table)
    explain = EngineConfig.model_validate({"explain": tables["explain"]}).explain
    assert explain.use == "remote-chat"
    RemoteWriter.Config(**explain.options)


def test_every_setting_of_a_server_is_described():
    for kind in (RemoteChat, RemoteRerank, RemoteWriter):
        told = "".join(base.__doc__ or "" for base in kind.Config.__mro__)
        assert [name for name in kind.Config.model_fields if not re.search(rf"\b{name}\b", told)] == []
