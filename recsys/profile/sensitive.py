"""Matters that a shop must not bring up: the one list for profiles, quotes, searches and reasons.

Special categories of personal data (GDPR, Art. 9) and what comes near them in a shop: health, sexuality, pregnancy,
weight, religion, politics, origin, addiction, debts, death. Entries are compared as whole words, any inflection by
prefix where the entry ends with "*"; `SensitiveWords` takes further ones in any language. A false alarm costs one
sentence; a miss may cost somebody a secret. No list knows every matter: this one says what it knows.
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
        "allergy relief", "cholesterol", "chronic pain", "copd", "infertil*", "insomnia*", "lice", "mental health",
        "migraine*", "mobility aid*", "ostomy", "prostate", "std test*", "sti test*", "suicid*", "thyroid*", "wart*",
        "anorexi*", "appetite control", "appetite suppressant*", "bariatric", "diet pill*", "fat burner*",
        "lose weight", "plus size*", "weight management",
    ),
    "sexuality": (
        "sex", "sexual*", "sexy", "erotic*", "porn*", "condom*", "lubricant*", "vibrator*", "dildo*", "fetish*", "bdsm",
        "lingerie", "viagra", "libido", "gay", "lesbian*", "lgbt*", "queer", "transgender", "impoten*", "erectile",
        "adult toy*", "nude*", "escort*", "aphrodisiac*", "bisexual*", "bondage", "gender identity",
    ),
    "pregnancy": (
        "pregnan*", "maternity", "ovulation", "fertility", "miscarriage*", "abortion*", "contracept*", "breast pump*",
        "breastfeeding", "menstrua*", "menopaus*", "tampon*", "ivf", "morning sickness", "nursing bra*", "postpartum",
        "prenatal",
    ),
    "religion": (
        "religio*", "bible*", "quran*", "koran*", "torah", "hijab*", "rosary", "church*", "mosque*", "synagogue*",
        "kosher", "halal", "islam*", "muslim*", "christian*", "catholic*", "jewish", "judaism", "hindu*", "buddhis*",
        "atheis*", "prayer*", "communion", "hanukkah", "judaica", "menorah*", "protestant*", "ramadan", "sikh*",
    ),
    "politics": (
        "politic*", "democrat*", "republican*", "communis*", "socialis*", "fascis*", "trade union*", "labor union*",
        "election*", "campaign poster*", "abortion rights", "nazi*", "campaign button*", "conservative", "liberal",
        "maga",
    ),
    "origin": (
        "ethnic*", "racial", "race card", "immigra*", "refugee*", "asylum", "criminal",
    ),
    "addiction": (
        "alcoholi*", "addict*", "rehab*", "nicotine", "quit smoking", "smoking cessation", "cannabis", "marijuana",
        "cbd", "opioid*", "gambling", "vape*", "vaping", "e-cigarette*",
    ),
    "hardship": (
        "debt*", "bankrupt*", "payday loan*", "funeral*", "urn", "urns", "bereave*", "divorce*", "widow*",
    ),
    "children": (
        "paedophil*", "pedophil*", "child abuse",
    ),
}  # fmt: skip
# A category or value that *is* one of these; "Health & Beauty" is not: half of what such a shop sells is soap.
NAMES = ("health", "health care", "healthcare", "spirituality", "faith", "adult", "intimacy", "diet", "diets")
READ = 2_000  # characters of a text that are looked at
_WORD = re.compile(r"[^\W_]+")
_KEY = 3  # first letters that entries are found by


class SensitiveWords:
    """Decides whether a text touches on a matter that is not brought up: the built-in list, and ``extra`` entries."""

    def __init__(self, extra: Iterable[str] = (), words: Iterable[str] | None = None) -> None:
        """Read entries; ``words`` instead of the built-in ones."""
        entries = [w for group in WORDS.values() for w in group] if words is None else list(words)
        # first letters -> (whole words before the last one, last word, whether it is a prefix)
        self._entries: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
        for entry in (*entries, *extra):
            if found := _WORD.findall(entry.casefold()):
                one = (tuple(found[:-1]), found[-1], entry.rstrip().endswith("*"))
                self._entries.setdefault(found[0][:_KEY], []).append(one)
        self._names = {tuple(_WORD.findall(name)) for name in NAMES}

    def in_text(self, text: str) -> bool:
        """Return whether an entry occurs in the first `READ` characters of ``text``, as whole words."""
        words = _WORD.findall(text[:READ].casefold())
        return any(
            self._stands(words, place, *entry)
            for place, word in enumerate(words)
            for entry in self._entries.get(word[:_KEY], ())
        )

    @staticmethod
    def _stands(words: list[str], place: int, before: tuple[str, ...], last: str, prefix: bool) -> bool:
        end = place + len(before)
        if end >= len(words) or (before and tuple(words[place:end]) != before):
            return False
        return words[end].startswith(last) if prefix else words[end] == last

    def in_value(self, value: str) -> bool:
        """Return whether a category or attribute value is sensitive: an entry in it, or the whole of it."""
        return self.in_text(value) or tuple(_WORD.findall(value[:READ].casefold())) in self._names

    def in_item(
        self, title: str, brand: str, categories: Iterable[str], attributes: Mapping[str, Any] | None = None
    ) -> bool:
        """Return whether an item touches a matter by its title, brand, categories, attribute names or values.

        The description is not read: "safe during pregnancy" makes no pregnancy item of a pillow.
        """
        if self.in_text(title) or self.in_value(brand) or any(map(self.in_value, categories)):
            return True
        for name, value in (attributes or {}).items():
            values = value if isinstance(value, tuple) else (value,)
            said = [v for v in values if isinstance(v, str)]
            if (said or True in values) and any(map(self.in_value, (name, *said))):
                return True
        return False


_ANY = SensitiveWords()
_EACH = {matter: SensitiveWords(words=words) for matter, words in WORDS.items()}


def is_sensitive(text: str) -> bool:
    """Return whether a text touches a matter of `WORDS`."""
    return _ANY.in_text(text)


def matters(text: str) -> tuple[str, ...]:
    """Return the matters of `WORDS` that a text touches."""
    return tuple(matter for matter, words in _EACH.items() if words.in_text(text))


def item_is_sensitive(
    title: str, brand: str, categories: Iterable[str], attributes: Mapping[str, Any] | None = None
) -> bool:
    """Return whether an item touches a matter of `WORDS`: see `SensitiveWords.in_item`."""
    return _ANY.in_item(title, brand, categories, attributes)
