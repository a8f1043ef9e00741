"""recsys: the recommender and product-search engine that a shop embeds in its own back end.

>>> from recsys import Engine, open_data            # doctest: +SKIP
>>> engine = Engine().fit(open_data("shop")[0])     # doctest: +SKIP
>>> print(engine.recommend("shopper-0001"))         # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.client.client import Client
    from recsys.config import EngineConfig
    from recsys.data.source import open_data
    from recsys.dataset import Dataset
    from recsys.engine import Engine
    from recsys.errors import RecsysError
    from recsys.eval.evaluate import evaluate
    from recsys.explanation import Explanation
    from recsys.filters import Exclusions
    from recsys.registry import Registry
    from recsys.result import Result
    from recsys.rules import Page, Rules
    from recsys.types import Event, Filter, Item, Request, Review, Search

__version__ = "0.1.0"

# Loaded on first use: a shop that only writes events should not wait for what ranks them.
_HOME = {
    "Client": "recsys.client.client",
    "Dataset": "recsys.dataset",
    "Engine": "recsys.engine",
    "EngineConfig": "recsys.config",
    "Event": "recsys.types",
    "Exclusions": "recsys.filters",
    "Explanation": "recsys.explanation",
    "Filter": "recsys.types",
    "Item": "recsys.types",
    "Page": "recsys.rules",
    "RecsysError": "recsys.errors",
    "Registry": "recsys.registry",
    "Request": "recsys.types",
    "Result": "recsys.result",
    "Review": "recsys.types",
    "Rules": "recsys.rules",
    "Search": "recsys.types",
    "evaluate": "recsys.eval.evaluate",
    "open_data": "recsys.data.source",
}
__all__ = [
    "Client", "Dataset", "Engine", "EngineConfig", "Event", "Exclusions", "Explanation", "Filter", "Item", "Page",
    "RecsysError", "Registry", "Request", "Result", "Review", "Rules", "Search", "evaluate", "open_data",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
