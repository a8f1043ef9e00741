"""A line of results for a row that was measured shopper by shopper: means, intervals, comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recsys.eval.compare import Comparison
from recsys.eval.results import Row


def row_line(
    row: str, values: Mapping[str, NDArray[Any]], versus: Mapping[str, Comparison], parameters: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the line of a row; ``values`` are (b,) by metric, ``more`` figures stand beside what is made of them."""
    made = Row.of(row, values, versus=versus).model_dump(include={"metrics", "ci95", "p_vs", "effect"})
    return {"name": row, "parameters": dict(parameters), "figures": {**made, **(more or {})}}
