"""Examples of bodies in the OpenAPI document, by the name of their schema, where the shape itself has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Any] = {
    "EventsIn": {
        "events": [
            {"event_id": "e17", "type": "view", "user_id": "u_42", "item_id": "B01", "timestamp": 1795176000},
            {"event_id": "e18", "type": "impression", "anonymous_id": "a_9", "item_ids": ["B01", "B07"]},
            {"event_id": "e19", "type": "purchase", "user_id": "u_42", "item_id": "B01", "value": 2},
        ]
    },
    "ItemsIn": {
        "items": [
            {"item_id": "B01", "title": "Trail shoe", "brand": "Acme", "price": 79.5, "stock": 12},
            {"item_id": "B07", "title": "Rain jacket", "categories": ["Jackets"], "attributes": {"colour": "red"}},
        ]
    },
    "ItemChanges": {"price": 69.5, "stock": 3},
    "NextIn": {"cursor": "at_...", "limit": 12},
    "SimilarIn": {"user_id": "u_42", "limit": 6, "filter": "price <= 80"},
    "RankIn": {"user_id": "u_42", "item_ids": ["B01", "B07", "B09"], "return_fields": ["title"]},
    "ExplainIn": {"user_id": "u_42", "item_ids": ["B07"]},
    "UserIn": {"consent": True, "attributes": {"country": "de"}},
    "MergeIn": {"anonymous_id": "a_9"},
    "ProfileIn": {"edits": [{"line_id": "brand:acme", "action": "forget"}]},
    "FeedbackIn": {"user_id": "u_42", "item_id": "B07", "action": "not_interested"},
    "VersionIn": {"version": "20261120-3f9c"},
    "ActivateIn": {"version": "20261120-3f9c"},
    "RefitIn": {"activate": True},
}  # fmt: skip
