"""A fitted engine as files of a bundle, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recsys.artifacts import read_json, write_json
from recsys.bundle import open_bundle, write_bundle
from recsys.config import EngineConfig
from recsys.dataset import Dataset, ItemTable
from recsys.errors import ArtifactDamaged, ConfigError, DataError, ModelError, PluginUnavailable
from recsys.fitting import Fitted, deps_for
from recsys.registry import Registry
from recsys.reranking import Absent
from recsys.store.records import parse, records

ITEMS = "items.jsonl"
SETTINGS = "engine.json"


def save_fitted(path: Path, config: EngineConfig, items: ItemTable, fitted: Fitted) -> str:
    """Write a bundle of settings, catalogue and components; return its id."""

    def write(folder: Path) -> None:
        groups = {"candidates": fitted.generators, "rank": fitted.rankers, "rerank": fitted.rerankers}
        names = {group: list(parts) for group, parts in groups.items()}
        write_json(folder / SETTINGS, {"config": config.plain(), "names": names, "warnings": list(fitted.warnings)})
        with (folder / ITEMS).open("w", encoding="utf-8") as out:
            for record in records(_catalogue(items), "items"):
                out.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        for group, parts in groups.items():
            for place, part in enumerate(parts.values()):
                # Folders are numbered: a component may have any name, a file system not.
                inside = folder / group / f"{place:02d}"
                inside.mkdir(parents=True)
                if hasattr(part, "fit") and not hasattr(part, "save"):
                    raise ConfigError(f"{type(part).__name__} learns and has no save: what it learned would be lost")
                if hasattr(part, "save"):
                    part.save(inside)

    return write_bundle(path, write, {"settings_hash": config.hash, "items": len(items)})


def saved_config(path: Path) -> EngineConfig:
    """Return the settings in a bundle: what a store needs to know before the engine is loaded over it."""
    return EngineConfig.of(read_json(open_bundle(path, verify=False).folder / SETTINGS)["config"], SETTINGS)


def load_fitted(path: Path, registry: Registry, verify: bool) -> tuple[EngineConfig, ItemTable, Fitted, str]:
    """Read a bundle: settings, catalogue, components and its id.

    A reranker whose model cannot be opened here is left out with a warning: `recsys.reranking.Absent` stands for it.

    Raises:
        ModelError: it is missing, damaged, foreign or newer.
    """
    bundle = open_bundle(path, verify)
    saved = read_json(bundle.folder / SETTINGS)
    config = EngineConfig.of(saved["config"], SETTINGS)
    items = _read_items(bundle.folder / ITEMS)
    data = Dataset(items, Dataset.of([], []).log)
    deps = deps_for(data, registry, config=config)
    generators: dict[str, Any] = {}
    for place, name in enumerate(saved["names"]["candidates"]):
        component = registry.get("candidates", config.stages[name].use)
        generators[name] = component.load(bundle.folder / "candidates" / f"{place:02d}", deps)
    rankers, rerankers = dict[str, Any](), dict[str, Any]()
    for kind, group, stages, parts in (
        ("rankers", "rank", config.rank, rankers), ("rerankers", "rerank", config.rerank, rerankers),
    ):  # fmt: skip
        for place, name in enumerate(saved["names"].get(group, ())):  # bundles of before there were rerankers
            component = registry.get(kind, stages[name].use)
            learned = hasattr(component, "load")
            try:
                if learned:
                    parts[name] = component.load(bundle.folder / group / f"{place:02d}", deps)
                else:
                    parts[name] = registry.build(kind, stages[name].options, deps, f"{group}.{name}")
            except (ModelError, PluginUnavailable) as error:
                if kind == "rankers":
                    raise
                # Lists do without a reranker, and the variants without it have nothing to do with its model.
                parts[name] = Absent(error, bool(getattr(component, "reads_queries", False)), learned)
    fitted = Fitted(generators, rankers, warnings=tuple(saved["warnings"]), rerankers=rerankers)
    return config, items, fitted, bundle.id


def _catalogue(items: ItemTable) -> Dataset:
    return Dataset(items, Dataset.of([], []).log)


def _read_items(path: Path) -> ItemTable:
    parsed = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                parsed.append(parse("items", json.loads(line)))
            except (DataError, json.JSONDecodeError) as error:
                raise ArtifactDamaged(f"{path.name}:{number}: {error}") from error
    table = ItemTable.of(item for item, _ in parsed)
    withdrawn = [row for row, (_, available) in enumerate(parsed) if not available]
    if not withdrawn:
        return table
    import numpy as np

    return table.without(np.array(withdrawn, dtype=np.int32))
