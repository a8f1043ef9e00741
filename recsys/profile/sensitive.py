"""Matters that a shop must not bring up: the one list for profiles, quotes and reasons.

Special categories of personal data (GDPR, Art. 9) and what comes near them in a shop: health, sexuality, pregnancy,
religion, politics, origin, addiction, debts, death. Words are compared as whole words, any inflection by prefix where
the entry ends with "*". A false alarm costs one sentence; a miss may cost somebody a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

WORDS: Mapping[str, tuple[str, ...]] = {
    "health": (
        "diabet*", "insulin", "cancer", "tumour", "tumor", "chemo*", "hiv", "aids", "hepatit*", "herpes", "epilep*",
        "asthma*", "arthrit*", "dementia", "alzheimer*", "parkinson*", "autis*", "adhd", "bipolar", "schizo*",
        "depress*", "antidepress*", "anxiety", "psychiatr*", "psycholog*", "therapist", "incontinen*", "catheter*",
        "haemorrhoid*", "hemorrhoid*", "laxative*", "disabilit*", "disabled", "wheelchair*", "prosthe*", "stoma",
        "blood pressure", "blood sugar", "blood glucose", "medication*", "prescription*", "pharmac*", "medicine*",
        "medicinal", "medical", "disease*", "illness*", "diagnos*", "disorder*", "infection*", "fungal", "psoriasis",
        "eczema", "obes*", "weight loss", "slimming", "dieting", "surgery", "post-surgical", "hearing aid*", "dialysis",
    ),
    "sexuality": (
        "sex", "sexual*", "sexy", "erotic*", "porn*", "condom*", "lubricant*", "vibrator*", "dildo*", "fetish*", "bdsm",
        "lingerie", "viagra", "libido", "gay", "lesbian*", "lgbt*", "queer", "transgender", "impoten*", "erectile",
        "adult toy*", "nude*", "escort*",
    ),
    "pregnancy": (
        "pregnan*", "maternity", "ovulation", "fertility", "miscarriage*", "abortion*", "contracept*", "breast pump*",
        "breastfeeding", "menstrua*", "menopaus*", "tampon*",
    ),
    "religion": (
        "religio*", "bible*", "quran*", "koran*", "torah", "hijab*", "rosary", "church*", "mosque*", "synagogue*",
        "kosher", "halal", "islam*", "muslim*", "christian*", "catholic*", "jewish", "judaism", "hindu*", "buddhis*",
        "atheis*", "prayer*",
    ),
    "politics": (
        "politic*", "democrat*", "republican*", "communis*", "socialis*", "fascis*", "trade union*", "labor union*",
        "election*", "campaign poster*", "abortion rights", "nazi*",
    ),
    "origin": ("ethnic*", "racial", "race card", "immigra*", "refugee*", "asylum"),
    "addiction": (
        "alcoholi*", "addict*", "rehab*", "nicotine", "quit smoking", "smoking cessation", "cannabis", "marijuana",
        "cbd", "opioid*", "gambling", "vape*", "vaping", "e-cigarette*",
    ),
    "hardship": ("debt*", "bankrupt*", "payday loan*", "funeral*", "urn", "urns", "bereave*", "divorce*", "widow*"),
    "children": ("paedophil*", "pedophil*", "child abuse"),
}  # fmt: skip


def _pattern(words: Iterable[str]) -> str:
    parts = []
    for entry in sorted(words):
        stem = re.escape(entry.removesuffix("*")).replace(r"\ ", r"[\s\-]+")
        parts.append(stem + (r"\w*" if entry.endswith("*") else ""))
    return rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)"


_ANY = re.compile(_pattern(w for words in WORDS.values() for w in words), re.IGNORECASE)
_EACH = {matter: re.compile(_pattern(words), re.IGNORECASE) for matter, words in WORDS.items()}


def is_sensitive(text: str) -> bool:
    """Return whether a text touches a matter of `WORDS`."""
    return _ANY.search(text) is not None


def matters(text: str) -> tuple[str, ...]:
    """Return the matters of `WORDS` that a text touches."""
    return tuple(matter for matter, pattern in _EACH.items() if pattern.search(text))


def item_is_sensitive(
    title: str, brand: str, categories: Iterable[str], attributes: Mapping[str, Any] | None = None
) -> bool:
    """Return whether an item touches a matter by its title, brand, categories or attribute values.

    The description is not read: "safe during pregnancy" makes no pregnancy item of a pillow.
    """
    values: list[str] = [title, brand, *categories]
    for value in (attributes or {}).values():
        values += value if isinstance(value, tuple) else [value] if isinstance(value, str) else []
    return any(is_sensitive(v) for v in values)
