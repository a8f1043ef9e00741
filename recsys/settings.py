"""Settings kept for known data sets, and sensible ones for all others."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.registry import Registry

# Everything that a table shows alone; which of them feed the cascade is the variant's business.
SINGLES: dict[str, dict[str, Any]] = {
    "popularity": {"n": 30},
    "own-history": {},
    "transitions": {},
    "attributes": {},
    "transitions+attributes": {"use": "blend"},
    "item-knn": {},
    "als": {},
    "bpr": {},
    "ease": {},
    "bm25": {},
    "dense": {},
}
CASCADE = ("transitions", "attributes", "item-knn", "als", "ease", "bm25", "dense", "popularity")
EASE_LIMIT = 25_000


def slug(name: str) -> str:
    """Return the file name stem of a data set's settings: "s3rec:beauty" gives "s3rec-beauty"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def settings_for(name: str, registry: Registry | None = None) -> EngineConfig | None:
    """Return what ``recsys tune`` wrote for this data set: ``settings/NAME.toml``, else the packaged file.

    Of the packaged file, generators of plug-ins that are not installed are left out: `left_out` names them.
    """
    local = Path("settings") / f"{slug(name)}.toml"
    if local.is_file():
        return EngineConfig.read(local)
    packaged = _packaged(name)
    if packaged is None:
        return None
    absent = _absent(packaged, registry or Registry())
    if not absent:
        return packaged
    plain = packaged.plain()
    plain["candidates"] = {n: stage for n, stage in plain["candidates"].items() if n not in absent}
    for variant in plain["variants"].values():
        if "candidates" in variant:
            variant["candidates"] = [n for n in variant["candidates"] if n not in absent]
    return EngineConfig.of(plain)


def left_out(name: str, registry: Registry | None = None) -> tuple[str, ...]:
    """Return the generators that the packaged settings of a data set name and that are not installed."""
    packaged = None if (Path("settings") / f"{slug(name)}.toml").is_file() else _packaged(name)
    return () if packaged is None else _absent(packaged, registry or Registry())


def notes_of(absent: Sequence[str]) -> list[str]:
    """Return what has to be said of generators that were `left_out`."""
    return [f"Without {name}, which the settings kept for this data name: it is not installed." for name in absent]


@cache
def _packaged(name: str) -> EngineConfig | None:
    path = files("recsys") / "tuned" / f"{slug(name)}.toml"
    return EngineConfig.read(Path(str(path))) if path.is_file() else None


def _absent(config: EngineConfig, registry: Registry) -> tuple[str, ...]:
    found = {plugin.name for plugin in registry.plugins() if plugin.kind == "candidates"}
    return tuple(name for name, stage in config.candidates.items() if stage.use not in found)


def evaluation_config(data: Dataset, repeats: bool = False, registry: Registry | None = None) -> EngineConfig:
    """Return the kept settings of this data set, else the defaults with every generator that fits it."""
    kept = settings_for(data.name, registry)
    return kept if kept is not None else default_config(data, repeats)


def default_config(data: Dataset, repeats: bool = False) -> EngineConfig:
    """Return untuned settings with every generator that this data can feed."""
    names = [n for n in SINGLES if n != "ease" or len(data.items) <= EASE_LIMIT]
    if data.info.get("has_times", True):
        names.append("trending")
    cascade = [n for n in CASCADE if n in names]
    if repeats:
        cascade.append("own-history")
    return EngineConfig.of(
        {
            "candidates": {n: dict(SINGLES.get(n, {})) for n in names},
            "fusion": {"weights": {"transitions": 1.0, "attributes": 0.5, "popularity": 0.02}},
            "variants": {"no-llm": {"rank": "lightgbm", "candidates": cascade}},
        }
    )


def with_rerank(config: EngineConfig, names: Sequence[str], registry: Registry | None = None) -> EngineConfig:
    """Return the settings with more rerankers: words of ``tuned/rerank.toml``, else rerankers by their own name.

    A name that ``config.rerank`` holds already means what it says there.

    Raises:
        ConfigError: a setting is wrong. UnknownPlugin, PluginUnavailable: no such reranker can be had.
    """
    packaged = tomllib.loads((files("recsys") / "tuned" / "rerank.toml").read_text(encoding="utf-8"))
    stages = {name: dict(packaged.get(name, {})) for name in names if name not in config.rerank}
    for name, stage in stages.items():  # now, not after an hour of fitting
        (registry or Registry()).get("rerankers", stage.get("use", name))
    if not stages:
        return config
    plain = config.plain()
    return EngineConfig.of({**plain, "rerank": {**plain["rerank"], **stages}})
