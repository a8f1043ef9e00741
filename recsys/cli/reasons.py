"""How reasons are printed: the sentence, and under it what shows that it is true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

ACTS = {
    "purchase": "bought", "view": "looked at", "cart": "put in the cart", "like": "liked", "rating": "rated",
    "click": "clicked", "dislike": "disliked", "return": "returned",
}  # fmt: skip
MAX_TITLE = 44


def reason_cell(explanation: Mapping[str, Any] | None) -> str:
    """Return the text of an explanation as `to_dict` gives it, and a line for each piece of its evidence."""
    if not explanation or not explanation["text"]:
        return "(nothing is known that would be a reason)"
    drop = explanation.get("causal_drop")
    lines = [explanation["text"], *(f"· {evidence_line(e)}" for e in explanation["evidence"])]
    if drop is not None:
        lines.append(f"· without it the score would be {drop:.0%} lower")
    return "\n".join(lines)


def evidence_line(evidence: Mapping[str, Any]) -> str:
    """Return one piece of evidence in a line: what a reader would look up, and where."""
    kind, title = evidence["kind"], short(evidence.get("title", evidence["item_id"]))
    if kind == "event":
        act = ACTS.get(evidence["event_kind"], evidence["event_kind"])
        return f"{_day(evidence.get('time'))} {act}: {title}".strip()
    if kind == "attribute":
        return f"{evidence['field']} of {title}: {evidence['value']}"
    if kind == "review":
        return (
            f"review {evidence['review_id']}, characters {evidence['start']}-{evidence['end']}: “{evidence['quote']}”"
        )
    if kind == "query":
        return f"“{evidence['value']}” in the {evidence['field']} of {title}"
    if kind == "popularity":
        return f"chosen by {evidence['count']} shoppers"
    return f"new since {_day(evidence.get('time'))}"


def short(title: str) -> str:
    """Return a title that fits a line."""
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip(" ,") + "…"


def _day(second: int | None) -> str:
    return "" if second is None else datetime.fromtimestamp(second, UTC).date().isoformat()
