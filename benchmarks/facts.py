"""What a figure depends on besides the code measured: versions, hardware, commit, day."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "recsys-engine", "numpy", "scipy", "implicit", "rank-bm25", "bm25s", "tantivy", "numba", "lightgbm", "onnxruntime",
    "scikit-learn",
)  # fmt: skip
# Of one benchmark alone, which says itself when they are missing.
OPTIONAL = ("torch", "transformers")
ROOT = Path(__file__).resolve().parents[1]
# What figures follow from, as git names files: neither words about them, nor the figures, nor tests.
SOURCES = (
    "recsys", "plugins", "benchmarks", "constraints.txt", "pyproject.toml",
    ":!*README.md", ":!benchmarks/results", ":!plugins/*/tests/*",
)  # fmt: skip


@cache
def facts() -> dict[str, Any]:
    """Return what every result line carries; nothing in it names a machine, a folder or a person."""
    return {
        "versions": {"python": platform.python_version(), **versions()},
        "hardware": hardware(),
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured or compared with."""
    out = {name: metadata.version(name) for name in LIBRARIES}
    for name in OPTIONAL:
        with suppress(metadata.PackageNotFoundError):
            out[name] = metadata.version(name)
    return out


def hardware() -> dict[str, Any]:
    """Return CPU model, usable cores, memory in GiB, system."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": cpu_model(), "cores": cores, "memory_gib": round(memory, 1), "system": platform.system()}


def cpu_model(source: Path = Path("/proc/cpuinfo")) -> str:
    """Return the model name of the first CPU, else the architecture."""
    if source.is_file():
        for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
            name, mark, value = line.partition(":")
            if mark and name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Return the short commit measured, with "+" when the package differs from it, or "" outside a checkout."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + "+" if head and _git("status", "--porcelain", "--", "recsys") else head


def source() -> str:
    """Return a short hash of all that makes figures, the same in every commit that leaves it alone.

    There is a "+" behind it when something of it is not committed: what that does is not known. "" outside a checkout.
    """
    files = _git("ls-files", "--stage", "--", *SOURCES)
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *SOURCES)
    return hashlib.sha256(files.encode()).hexdigest()[:12] + ("+" if changed else "") if files else ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
