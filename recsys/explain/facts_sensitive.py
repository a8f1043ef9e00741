"""What is never said about a shopper: products that speak of health, faith, love life, pregnancy, weight or politics.

An item is sensitive when a category, an attribute value or its title holds one of the phrases below as whole words,
or when a category or attribute value *is* one of the whole names ("Health" is, "Health & Beauty" is not: half of
what such a shop sells is soap). The lists are English; `SensitiveWords` takes further words in any language. They
err on the side of silence: a novel about an election loses a reason, nobody is told that they vote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PHRASES = {
    "health": (
        "addiction", "allergy relief", "alzheimer", "antidepressant", "anxiety relief", "arthritis", "asthma",
        "blood glucose", "blood pressure", "blood sugar", "cancer", "catheter", "chemotherapy", "cholesterol",
        "chronic pain", "copd", "dementia", "depression", "diabetes", "diabetic", "disability", "eating disorder",
        "eczema", "epilepsy", "erectile", "haemorrhoid", "hearing aid", "hemorrhoid", "hepatitis", "herpes", "hiv",
        "illness", "incontinence", "infertility", "insomnia", "lice", "medical", "medication", "medicines",
        "menopause", "mental health", "migraine", "mobility aid", "nicotine", "ostomy", "parkinson", "pharmacy",
        "prescription", "prostate", "psoriasis", "quit smoking", "rehab", "smoking cessation", "std test",
        "std tests", "sti test", "suicide", "thyroid", "wart", "wheelchair",
    ),
    "religion": (
        "bible", "bibles", "buddhism", "buddhist", "catholic", "christian", "christianity", "church", "communion",
        "hanukkah", "hindu", "hinduism", "islam", "islamic", "jewish", "judaica", "judaism", "koran", "kosher",
        "menorah", "mosque", "muslim", "prayer beads", "prayer book", "prayer rug",
        "protestant", "quran", "ramadan", "religion", "religious", "rosary",
        "sikh", "synagogue", "torah", "hijab", "halal",
    ),
    "love life": (
        "adult toy", "adult toys", "aphrodisiac", "bdsm", "bisexual", "bondage", "condom", "condoms", "contraception",
        "contraceptive", "dildo", "erotic", "erotica", "fetish", "gay", "gender identity", "lesbian", "lgbt", "lgbtq",
        "lingerie", "lubricant for intimacy", "personal lubricant", "porn", "queer", "sex", "sex toy", "sex toys",
        "sexual", "sexuality", "transgender", "vibrator",
    ),
    "pregnancy": (
        "breast pump", "breastfeeding", "fertility", "ivf", "maternity", "miscarriage", "morning sickness",
        "nursing bra", "ovulation", "postpartum", "pregnancy", "pregnant", "prenatal",
    ),
    "weight": (
        "anorexia", "appetite control", "appetite suppressant", "bariatric", "diet pill", "diet pills", "dieting",
        "fat burner", "fat burners",
        "lose weight", "obesity", "plus size", "slimming", "weight loss", "weight management",
    ),
    "politics": (
        "campaign button", "communism", "communist", "conservative", "democrat", "democrats", "election", "liberal",
        "maga", "political", "politics", "republican", "republicans", "socialism", "socialist", "trade union",
    ),
    "origin and law": ("bankruptcy", "criminal", "debt", "ethnic", "immigration", "refugee"),
}  # fmt: skip
_WHOLE = ("health", "health care", "healthcare", "spirituality", "faith", "adult", "intimacy", "diet", "diets")
WORDS = re.compile(r"[^\W_]+")


def default_phrases() -> dict[str, tuple[str, ...]]:
    """Return the built-in phrases by subject."""
    return dict(_PHRASES)


class SensitiveWords:
    """Decides whether a text touches on a subject that no reason may mention."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        phrases = [p for group in _PHRASES.values() for p in group]
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in (*phrases, *extra):
            words = tuple(WORDS.findall(phrase.casefold()))
            if words:
                self._by_first.setdefault(words[0], []).append(words)
        self._whole = {tuple(WORDS.findall(name)) for name in _WHOLE}

    def in_text(self, text: str) -> bool:
        """Return whether a phrase occurs in ``text`` as whole words."""
        words = WORDS.findall(text.casefold())
        return any(
            tuple(words[place : place + len(phrase)]) == phrase
            for place, word in enumerate(words)
            for phrase in self._by_first.get(word, ())
        )

    def in_value(self, value: str) -> bool:
        """Return whether a category or attribute value is sensitive: a phrase in it, or the whole of it."""
        return tuple(WORDS.findall(value.casefold())) in self._whole or self.in_text(value)
