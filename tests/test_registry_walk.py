"""No built-in escapes its kit: each registered class is the component of a test class that derives from it."""

from __future__ import annotations

import ast
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from recsys.registry import KINDS, Registry

TESTS = Path(__file__).parent
PLUGINS = TESTS.parent / "plugins"
OURS = ("recsys-engine", *(f"recsys-{p.parent.name.replace('_', '-')}" for p in PLUGINS.glob("*/pyproject.toml")))
KITS = {
    "candidates": "GeneratorTests",
    "rankers": "RankerTests",
    "rerankers": "RankerTests",
    "explainers": "ExplainerTests",
    "embedders": "EmbedderTests",
    "indexes": "IndexTests",
    "stores": "StoreTests",
    "readers": "ReaderTests",
}


def built_ins() -> list[tuple[str, EntryPoint]]:
    """Every (kind, entry point) of our own distributions: the engine and the plug-ins beside it."""
    found = {
        (kind, entry.name, entry.value): (kind, entry)
        for kind in KINDS
        for entry in entry_points(group=f"recsys.{kind}")
        if entry.dist is not None and entry.dist.name in OURS
    }
    return [found[key] for key in sorted(found)]


def exists(entry: EntryPoint) -> bool:
    """Whether the module of an entry point has been written."""
    parent = entry.module.rsplit(".", 1)[0]
    return importlib.util.find_spec(parent) is not None and importlib.util.find_spec(entry.module) is not None


def names_in(node: ast.AST) -> set[str]:
    """Every name that occurs below a node: variables, attributes, and arguments, which name fixtures."""
    return (
        {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    )


def defined(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """What a module or class defines, by name."""
    out = {n.name: n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in body:
        if isinstance(node, ast.Assign):
            out.update({target.id: node for target in node.targets if isinstance(target, ast.Name)})
    return out


def held_to(path: Path) -> set[tuple[str, str]]:
    """(kit, class name) for every test class of a file: what its fixture ``component`` leads to, and its kits."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = defined(tree.body)
    conftest = path.parent / "conftest.py"
    shared = defined(ast.parse(conftest.read_text(encoding="utf-8")).body) if conftest.exists() else {}
    out = set()
    for name, node in top.items():
        if not isinstance(node, ast.ClassDef) or not name.startswith("Test"):
            continue
        bases, queue = set(), [node]
        members: dict[str, ast.stmt] = {}
        while queue:
            one = queue.pop()
            members = {**defined(one.body), **members}
            for base in one.bases:
                label = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
                bases.add(label)
                if isinstance(top.get(label), ast.ClassDef):
                    queue.append(top[label])
        reached: set[str] = set()
        todo = {"component"}
        while todo:
            label = todo.pop()
            reached.add(label)
            found = members.get(label) or top.get(label) or shared.get(label)
            if found is not None and found is not node:
                todo |= names_in(found) - reached
        out |= {(kit, label) for kit in bases & set(KITS.values()) for label in reached}
    return out


def test_every_kind_has_a_kit():
    assert {kind for kind, _ in built_ins()} <= set(KITS)


def test_every_built_in_is_held_to_its_kit():
    here = [(kind, entry) for kind, entry in built_ins() if exists(entry)]
    assert here, "no built-in is installed: pip install -e ."
    covered = {
        pair for folder in (TESTS, PLUGINS) for path in sorted(folder.rglob("test_*.py")) for pair in held_to(path)
    }
    missing = [f"{kind} '{e.name}' ({e.value})" for kind, e in here if (KITS[kind], e.attr) not in covered]
    assert missing == [], "write a test class that derives from the kit of the kind"


@pytest.mark.parametrize(
    ("kind", "entry"), [pytest.param(k, e, id=f"{k}-{e.name}") for k, e in built_ins() if exists(e)]
)
def test_every_built_in_fits_its_kind(kind, entry):
    component = Registry().get(kind, entry.name)
    assert component.__name__ == entry.attr
    config = component.Config.model_config
    assert config.get("frozen"), f"{entry.value}.Config is to be frozen"
    assert config.get("extra") == "forbid", f"{entry.value}.Config is to forbid unknown settings"
    assert component.__doc__
    assert component.Config.__doc__


def test_the_walk_sees_through_helpers(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text(
        "def small():\n    return Deep(3)\n"
        "class Base(GeneratorTests):\n    pass\n"
        "class TestIt(Base, TrainableTests):\n    @pytest.fixture\n    def component(self):\n        return small\n"
        "class TestOther:\n    def component(self):\n        return Free\n"
    )
    assert ("GeneratorTests", "Deep") in held_to(path)
    assert not any(name == "Free" for _, name in held_to(path))
