"""Several worker processes hold the large arrays of a bundle once: they map its files, and nothing copies them."""

from __future__ import annotations

import json
import subprocess
import sys
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys.artifacts import MMAP_BYTES
from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.engine import Engine
from recsys.testing.worlds import DAY
from recsys.types import Event, Item

SMAPS = Path("/proc/self/smaps")
N_ITEMS, N_SHOPPERS = 2500, 600
SETTINGS = EngineConfig.of(
    {
        "candidates": {
            "ease": {}, "als": {"factors": 128, "iterations": 1}, "item-knn": {"neighbours": 500}, "transitions": {},
            "dense": {"options": {"dim": 128}}, "attributes": {}, "popularity": {},
        },
        "variants": {"fused": {}}, "variant": "fused", "rank": {},
    }
)  # fmt: skip


def shop() -> Dataset:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(900)]
    items = [
        Item(item_id=f"i{n}", title=" ".join(rng.choice(words, 12)), categories=(f"c{n % 40}",), stock=3)
        for n in range(N_ITEMS)
    ]
    events = [
        Event(user_id=f"u{u}", item_id=f"i{row}", kind="purchase", time=1_700_000_000 + DAY * step)
        for u in range(N_SHOPPERS)
        for step, row in enumerate(rng.choice(N_ITEMS, 40, replace=False).tolist())
    ]
    return Dataset.of(items, events)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("mapped") / "bundle"
    Engine(SETTINGS).fit(shop()).save(place)
    return place


def use(engine: Engine) -> None:
    """Ask and log: each event makes a new snapshot; then read every page of every large array."""
    for n in range(3):
        engine.recommend(None, 5, context=[f"i{n}", f"i{n + 50}"], explain=True)
        engine.search("word1 word2", k=5)
        engine.add_events([Event(user_id="someone", item_id=f"i{n}", kind="purchase")])
        engine.recommend("someone", 5)
    for _, array in large(engine.fitted.generators):
        array.sum()


def large(parts: Any) -> list[tuple[str, np.ndarray]]:
    """Return every array of `MMAP_BYTES` and more that hangs on some objects, with its path."""
    found, seen = [], set()

    def walk(path: str, one: Any) -> None:
        if id(one) in seen:
            return
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            if one.nbytes >= MMAP_BYTES:
                found.append((path, one))
        elif sparse.issparse(one):
            for name in ("data", "indices", "indptr"):
                walk(f"{path}.{name}", getattr(one, name))
        elif isinstance(one, dict):
            for name, value in one.items():
                walk(f"{path}[{name}]", value)
        elif isinstance(one, tuple | list):
            for place, value in enumerate(one[:100]):
                walk(f"{path}[{place}]", value)
        elif type(one).__module__.split(".")[0] in ("recsys", "implicit"):
            slots = {
                n: getattr(one, n) for c in type(one).__mro__ for n in getattr(c, "__slots__", ()) if hasattr(one, n)
            }
            for name, value in {**slots, **getattr(one, "__dict__", {})}.items():
                walk(f"{path}.{name}", value)

    walk("", parts)
    return found


def is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap)


def pages(place: Path) -> dict[str, int]:
    """Return kB of this process's memory that are files of a bundle: resident, its share of it, and its own."""
    out, inside = dict.fromkeys(("Rss", "Pss", "Private_Clean", "Private_Dirty"), 0), False
    for line in SMAPS.read_text().splitlines():
        head, _, rest = line.partition(" ")
        if not head.endswith(":"):
            inside = str(place) in line
        elif inside and head[:-1] in out:
            out[head[:-1]] += int(rest.split()[0])
    return out


WORKER = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_bundle_shared_memory import pages, use
from recsys.engine import Engine
place = Path({place!r})
engine = Engine.load(place)
use(engine)
print("ready", flush=True)
sys.stdin.readline()  # until all workers hold it
print(json.dumps(pages(place)), flush=True)
sys.stdin.readline()  # until all workers have looked
"""


@pytest.mark.skipif(not SMAPS.exists(), reason="memory by mapping is what Linux tells")
def test_two_workers_hold_the_arrays_of_a_bundle_once(bundle):
    script = WORKER.format(tests=str(Path(__file__).parent), place=str(bundle))
    workers = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        told = [json.loads(_answer(worker)) for worker in workers]
    finally:
        for worker in workers:
            worker.communicate(input="\n", timeout=30)
    ease = sum(f.stat().st_size for f in bundle.rglob("ease.npy")) // 1024
    assert ease > 20_000
    for one in told:
        assert one["Rss"] > ease
        assert one["Pss"] < 0.55 * one["Rss"]
        assert one["Private_Clean"] + one["Private_Dirty"] < 0.05 * one["Rss"]


def _answer(worker: subprocess.Popen[str]) -> str:
    worker.stdin.write("\n")
    worker.stdin.flush()
    return worker.stdout.readline()


def test_no_component_copies_a_large_array(bundle):
    engine = Engine.load(bundle, verify=False)
    use(engine)
    found = large(engine.fitted.generators)
    names = {path.split("]")[0][1:] for path, _ in found}
    assert names == {"ease", "als", "item-knn", "transitions", "dense"}
    assert [path for path, array in found if not is_mapped(array)] == []
