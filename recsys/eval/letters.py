"""Which rows of a table are significantly better or worse than which others, in letters."""

from __future__ import annotations

from string import ascii_lowercase as LETTERS

from recsys.eval.results import LOWER_IS_BETTER, Results, Row
from recsys.eval.stages import best_single

ALPHA = 0.05


def significance(results: Results, row: Row) -> str:
    """Return "▲ab ▼c": significantly better than baselines a and b, worse than c; letters as in `letters`."""
    marks: dict[str, list[str]] = {"▲": [], "▼": []}
    for base, letter in letters(results).items():
        p, effect = row.p_vs.get(base), row.effect.get(base)
        if p is not None and p < ALPHA:
            other = next((r for r in results.rows if r.name == base), None)
            gain = effect.difference if effect else _gain(row, other, results.metric)
            if gain:
                marks["▲" if (gain > 0) != (results.metric in LOWER_IS_BETTER) else "▼"].append(letter)
    # Letters of two characters, which tables of more than 26 baselines need, would run into one another.
    between = "," if len(results.baselines) > len(LETTERS) else ""
    return " ".join(sign + between.join(found) for sign, found in marks.items() if found)


def letters(results: Results) -> dict[str, str]:
    """Return a letter for each baseline, in the order of the rows: "a" to "z", then "aa" and so on."""
    names = [row.name for row in results.rows]
    places = {base: names.index(base) if base in names else len(names) for base in results.baselines}
    ordered = sorted(results.baselines, key=lambda base: places[base])
    return {base: LETTERS[i // 26 - 1] * (i >= 26) + LETTERS[i % 26] for i, base in enumerate(ordered)}


def comparisons(results: Results) -> list[str]:
    """Return the baselines to show, the best single generator first."""
    single = best_single(results)
    return sorted(results.baselines, key=lambda base: base != single)


def _gain(row: Row, other: Row | None, metric: str) -> float:
    return row.metrics.get(metric, 0.0) - (other.metrics.get(metric, 0.0) if other else 0.0)
