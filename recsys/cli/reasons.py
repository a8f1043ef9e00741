"""How reasons are printed: the sentence, and under it what shows that it is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

ACTS = {
    "purchase": "bought", "view": "looked at", "cart": "put in the cart", "like": "liked", "rating": "rated",
    "click": "clicked", "dislike": "disliked", "return": "returned",
}  # fmt: skip
MAX_TITLE = 34


def reason_cell(explanation: Mapping[str, Any] | None) -> str:
    """Return the text of an explanation as `to_dict` gives it, and a line for each piece of its evidence."""
    if not explanation or not explanation["text"]:
        return "(nothing is known that would be a reason)"
    drop = explanation.get("causal_drop")
    lines = [explanation["text"], *(f"· {line}" for line in evidence_lines(explanation["evidence"]))]
    if drop is not None:
        lines.append(f"· without that event the score would be {drop:.0%} lower")
    return "\n".join(lines)


def evidence_lines(evidence: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a reader would look up, and where: a shared value in one line, and the words of one field, too."""
    lines: dict[tuple[Any, ...], list[str]] = {}
    for one in evidence:
        kind, title = one["kind"], short(one.get("title", one["item_id"]))
        if kind == "attribute":
            lines.setdefault((kind, one["field"], one["value"]), [f"{one['field']} {one['value']}:"]).append(title)
        elif kind == "query":
            lines.setdefault((kind, one["field"]), [f"{one['field']} of {title}:"]).append(f"“{one['value']}”")
        else:
            lines[kind, len(lines)] = [_line(one, title)]
    return [f"{head} {', '.join(rest)}" if rest else head for head, *rest in lines.values()]


def _line(one: Mapping[str, Any], title: str) -> str:
    if one["kind"] == "event":
        return f"{_day(one.get('time'))} {ACTS.get(one['event_kind'], one['event_kind'])}: {title}".strip()
    if one["kind"] == "review":
        return f"review {one['review_id']}, characters {one['start']}-{one['end']}: “{one['quote']}”"
    if one["kind"] == "popularity":
        return f"chosen by {one['count']} shoppers"
    return f"new since {_day(one.get('time'))}"


def short(title: str) -> str:
    """Return a title that fits a line."""
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip(" ,") + "…"


def _day(second: int | None) -> str:
    return "" if second is None else datetime.fromtimestamp(second, UTC).date().isoformat()
