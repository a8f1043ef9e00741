"""Which rows are worth their time: the Pareto front of quality and latency."""

from __future__ import annotations

from recsys.eval.results import Results, Row

CONTROLS = ("identity", "shuffle", "oracle")  # measured to judge the others by, not to be served


def timed(results: Results) -> list[Row]:
    """Return the rows with the main metric and a latency p50, the fastest first, of equally fast ones the best."""
    rows = [r for r in results.rows if results.metric in r.metrics and r.latency_ms.get("p50", 0) > 0]
    return sorted(rows, key=lambda r: (r.latency_ms["p50"], -r.metrics[results.metric]))


def front(results: Results) -> list[Row]:
    """Return the rows than which no other is both at least as fast (p50) and at least as good, the fastest first.

    Of rows that are equal in both, the first is taken. Means decide, not their intervals; controls do not count.
    """
    out: list[Row] = []
    for row in timed(results):
        if row.name in CONTROLS:
            continue
        if not out or row.metrics[results.metric] > out[-1].metrics[results.metric]:
            out.append(row)
    return out
