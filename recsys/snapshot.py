"""What one call of an engine works with from beginning to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.dataset import ItemTable
from recsys.fitting import Fitted
from recsys.funnel import Funnel
from recsys.searching import SearchPlan


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What one call works with from beginning to end, whatever is added meanwhile.

    ``items`` are those that the fitted parts know. Stock and prices of the moment, and histories, are read from
    ``store``: its rows are those of ``items``, also where a fit on other data has given the engine another one.
    """

    items: ItemTable
    fitted: Fitted
    funnels: Mapping[str, Funnel]
    searches: Mapping[str, SearchPlan]
    store: Any
    bundle_id: str = ""
