"""Pictures of products that have none: a sign of the category in colours of the brand, drawn the same every time.

No text of the catalogue is ever part of a picture: there is nothing that a title could break out of.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

# Hues that stay apart for the colour-blind as well, by lightness; a brand keeps its own.
HUES = (12, 28, 42, 88, 142, 168, 190, 208, 226, 258, 286, 326)


def picture(item_id: str, brand: str | None, categories: Sequence[str]) -> str:
    """Return the SVG of a product."""
    hue = HUES[_number(brand or "") % len(HUES)]
    turn = _number(item_id)
    x, y, r = 18 + turn % 61, 12 + turn // 61 % 47, 20 + turn // 2867 % 17
    sign = _sign(categories)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96" aria-hidden="true">'
        f'<rect width="96" height="96" fill="hsl({hue} 42% 90%)"/>'
        f'<circle cx="{x}" cy="{y}" r="{r}" fill="hsl({hue} 52% 82%)"/>'
        f'<path d="M0 {70 + turn % 9} Q 30 {62 + turn % 13} 96 {72 - turn % 11} V96 H0Z" fill="hsl({hue} 44% 74%)"/>'
        '<g transform="translate(21 21) scale(2.25)" stroke-linecap="round" stroke-linejoin="round" '
        f'stroke-width="1.5" stroke="hsl({hue} 55% 24%)" fill="hsl({hue} 60% 97%)">{sign}</g></svg>'
    )


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def _sign(categories: Sequence[str]) -> str:
    """Return the drawing, 24 by 24, of the narrowest category that has one; a parcel where none has."""
    for category in reversed(categories):
        for told_by, drawing in signs().values():
            if told_by.search(category):
                return drawing
    return signs()["parcel"][1]


@cache
def signs() -> dict[str, tuple[re.Pattern[str], str]]:
    """Return the drawings by name, each with what finds it in the name of a category: one of its words as a whole."""
    text = (files("recsys") / "serving" / "signs.toml").read_text(encoding="utf-8")
    return {
        name: (
            re.compile(rf"\b(?:{'|'.join(sign['words']) or '(?!)'})s?\b", re.IGNORECASE),
            "".join(f'<path d="{path}"/>' for path in sign["paths"]),
        )
        for name, sign in tomllib.loads(text).items()
    }
