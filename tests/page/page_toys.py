"""The small shop of the page's tests, and what hostile sellers put into it."""

from __future__ import annotations

from recsys.config import EngineConfig
from recsys.types import Item

CONFIG = EngineConfig.of(
    {
        "candidates": {"attributes": {}, "transitions": {}, "item-knn": {}, "popularity": {}},
        "rank": {"lightgbm": {}},
        "variants": {"no-llm": {"rank": "lightgbm"}, "fused": {}, "popularity": {"candidates": ["popularity"]}},
    }
)
# What sellers might write into a title. "quokka" finds them.
HOSTILE = {
    "HTML-1": "quokka <img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "BIDI-1": "quokka \u202egnp.exe\u202c \u2066left\u2069 \u200fשלום\u0007",
    "LONG-1": "quokka " + "long " * 2_000,
    "WIDE-1": "quokka " + "W" * 10_000,
}


def hostile_items() -> list[Item]:
    return [
        Item(item_id=i, title=title, text=title, brand="<b>Bold</b>\u202e", categories=("<i>x</i>",), price=9.5)
        for i, title in HOSTILE.items()
    ]
