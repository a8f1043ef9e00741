"""The imports of recsys: one direction, heavy libraries late and in one place, no pickle, no eval."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recsys

ROOT = Path(recsys.__file__).parent
# Each name may import from its own row and the rows above it.
LEVELS = [
    ("types", "errors", "ids", "background"),
    ("explanation", "workings"),
    (
        "result",
        "signal",
        "history",
        "dataset",
        "artifacts",
        "targets",
        "topn",
        "ndcg",
        "paired",
        "breaker",
        "protocols",
    ),
    ("registry",),
    ("filters",),
    ("config",),
    ("runtime", "store", "data", "manifest", "bundle"),
    ("embed", "profile", "aspects", "training"),
    ("candidates", "search", "suggest", "rank", "rerank", "explain", "rate"),
    (
        "rules",
        "requests",
        "reranking",
        "calibrating",
        "degrading",
        "funnel",
        "kept",
        "fitting",
        "fitting_search",
        "fitting_rerank",
        "answers",
        "searching",
        "explaining",
        "showing",
        "snapshot",
        "reasoning",
        "writing",
        "erasing",
        "asking",
        "finding",
        "profiling",
        "living",
        "saving",
        "settings",
        "shadow",
        "engine",
    ),
    ("eval", "tune", "serving", "client", "demo_variants", "demo_grades", "demo", "cli", "__main__"),
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
STAGES = {"candidates", "search", "rank", "rerank", "explain"}
# library -> the only places that may import it, at any depth
AT_HOME = {
    "torch": ("recsys.runtime", "recsys.training"),
    "onnxruntime": ("recsys.runtime",),
    "lightgbm": ("recsys.rank.lightgbm", "recsys.rate.regressor"),
    "pytest": ("recsys.testing",),
    "_pytest": ("recsys.testing",),
    "hypothesis": ("recsys.testing",),
    "pickletools": ("recsys.testing",),
    # optuna keeps its studies with it; the command line asks whether libraries are there
    "sqlalchemy": ("recsys.store.sql", "recsys.tune.study", "recsys.cli"),
    "alembic": ("recsys.store.sql",),
    "psycopg": (),
    "pickle": (),
    "cPickle": (),
    "joblib": (),
    "dill": (),
    "cloudpickle": (),
    "shelve": (),
    "marshal": (),
    "fastapi": ("recsys.serving",),
    "starlette": ("recsys.serving",),
    "uvicorn": ("recsys.serving", "recsys.cli"),
    "prometheus_client": ("recsys.serving",),
    "opentelemetry": ("recsys.serving",),
    "httpx": ("recsys.client",),
}
LATE = {
    "torch", "onnxruntime", "lightgbm", "tantivy", "numba", "bm25s", "rank_bm25", "implicit", "sklearn", "pyarrow",
    "matplotlib", "pandas", "polars", "transformers", "tokenizers", "safetensors", "onnx", "onnxscript",
    "onnxmltools", "optuna", "httpx",
}  # fmt: skip
# What the service alone imports, at the top of packages that nothing else imports at its top.
SERVED = {
    "fastapi", "starlette", "uvicorn", "prometheus_client", "opentelemetry", "sqlalchemy", "alembic", "psycopg",
}  # fmt: skip
SERVING = ("recsys.serving", "recsys.store.sql")
IMPORTERS = {"import_optional", "import_module", "__import__"}


def modules() -> dict[str, Path]:
    out = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["recsys", *path.relative_to(ROOT).with_suffix("").parts]
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


MODULES = modules()
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


def imports(tree: ast.AST, module: str, top_only: bool = False) -> Iterator[str]:
    """Full names of all that is imported, also through import_optional("name")."""
    nodes = ast.walk(tree) if not top_only else at_import(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write absolute imports"
            # "from recsys.candidates import sparse_search" imports a module, "from recsys.types import Item" does not
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPORTERS:
                yield str(node.args[0].value)


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: neither function bodies nor what is for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from at_import(node)


def all_imports(top_only: bool = False) -> list[tuple[str, str]]:
    return [(module, name) for module, tree in TREES.items() for name in imports(tree, module, top_only)]


def place(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_part_has_a_level():
    unknown = {place(m) for m in MODULES} - set(LEVEL) - {"", "testing"}
    assert not unknown, f"say in LEVELS where {unknown} belong"


def test_imports_point_one_way():
    wrong = [
        f"{module} imports {name}"
        for module, name in all_imports()
        if name.startswith("recsys.") and place(module) in LEVEL
        # testing is beside all levels: it may import the core, nothing imports it
        if place(name) == "testing" or LEVEL[place(name)] > LEVEL[place(module)]
    ]
    assert wrong == []


def test_stages_never_import_one_another():
    wrong = [
        f"{module} imports {name}"
        for module, name in all_imports()
        if place(module) in STAGES and name.startswith("recsys.") and place(name) in STAGES - {place(module)}
    ]
    assert wrong == []


def test_the_kit_uses_the_core_alone():
    core = {name for level in LEVELS[:3] for name in level} | {"testing", "errors"}
    wrong = [
        f"{module} imports {name}"
        for module, name in all_imports()
        if place(module) == "testing" and name.startswith("recsys.") and place(name) not in core
    ]
    assert wrong == []


@pytest.mark.parametrize("library", AT_HOME)
def test_libraries_stay_at_home(library):
    wrong = [
        module
        for module, name in all_imports()
        if name.split(".")[0] == library and not module.startswith(AT_HOME[library] or "-")
    ]
    assert wrong == []


def test_heavy_libraries_are_imported_late():
    wrong = [f"{module} imports {name}" for module, name in all_imports(top_only=True) if name.split(".")[0] in LATE]
    assert wrong == []


def test_what_serves_is_imported_late():
    wrong = [
        f"{module} imports {name}"
        for module, name in all_imports(top_only=True)
        if name.startswith(SERVING) and not module.startswith(SERVING)
    ]
    assert wrong == []


def test_no_eval():
    wrong = [
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    assert wrong == []


def test_every_module_can_be_imported():
    for module in MODULES:
        if module != "recsys.__main__":
            importlib.import_module(module)


@pytest.mark.parametrize(
    "code", ["import recsys", "import recsys; [getattr(recsys, name) for name in recsys.__all__]"],
    ids=["import", "every public name"],
)  # fmt: skip
def test_the_public_face_is_light(code):
    heavy = sorted({*LATE, *SERVED, "pytest", "hypothesis", "scipy.stats"})
    script = f"import sys; {code}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_pytest_plugin_is_light():
    script = "import sys, recsys.testing.plugin; print([m for m in sys.modules if m.startswith('recsys.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['recsys.testing', 'recsys.testing.plugin']"
