"""Which texts of strangers may teach anything, and which spans of them may be shown."""

from __future__ import annotations

import re
import unicodedata

MAX_REVIEW_CHARS = 20_000  # as much as the readers look at; nobody writes a longer opinion in good faith
_MARKUP = re.compile(r"<\s*/?\s*[a-zA-Z!?]|&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);|\]\(|```|\{\{|\}\}|<\|")
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.!?]{0,40}\b(?:instructions?|prompts?|rules?|previous|above|earlier)\b"
    r"|\b(?:system|developer|assistant)\s*(?:prompt|message|:)|\byou are (?:now )?(?:an? )?(?:ai|assistant|chatbot)\b"
    r"|\[/?inst\]|\bjailbreak\b|\bas an ai\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?:|www\.|\S@\S|\w\.(?:com|net|org|info|biz|ru|cn|io)\b|\d[\d\s().-]{6,}\d", re.IGNORECASE)
# A quote is no place to send shoppers elsewhere.
_ADVICE = re.compile(
    r"\b(?:do not|don['’]t|never|please) (?:buy|order|purchase|waste)\b|\bbuy (?:the|a|an|from|my|our|this|these)\b"
    r"|\b(?:buy|get|order|try|choose)\b[^.!?]{0,60}\binstead\b|\b(?:cheaper|better price) (?:at|on|from|elsewhere)\b"
    r"|\b(?:promo|discount|coupon|voucher) code\b|\b(?:visit|check out) (?:my|our|the)\b",
    re.IGNORECASE,
)
# Line control, direction marks, zero-width signs, private use, surrogates: what hides text from a reader.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ue000-\uf8ff\ud800-\udfff]"
)
_PLAIN = frozenset(" .,;:!?'’\"“”()-–—/%&+…°$€£½¼¾")


def trusted(text: str) -> bool:
    """Return whether a review may be counted at all: of readable length, without markup, hidden signs or orders.

    Readers clean what they read (`recsys.data.text`), so an honest review passes; one that comes in by another way
    with such content is left out as a whole rather than half understood.
    """
    if not text or len(text) > MAX_REVIEW_CHARS:
        return False
    return not (_HIDDEN.search(text) or _MARKUP.search(text) or _ORDERS.search(text))


def quotable(quote: str) -> bool:
    """Return whether a span may be shown: one line of letters, digits and plain signs.

    No address, no long number, no advice on what to buy instead.
    """
    if not trusted(quote) or _ADDRESS.search(quote) or _ADVICE.search(quote) or quote != quote.strip():
        return False
    if not quote.isascii() and any(not _ordinary(c) for c in quote):
        return False
    letters = sum(c.isalpha() for c in quote)
    loud = sum(c.isupper() for c in quote)
    return all(c.isalnum() or c in _PLAIN for c in quote) and letters >= 0.5 * len(quote) and loud <= 0.5 * letters


def _ordinary(c: str) -> bool:
    # Combining marks pile up over neighbours, and letters of the right-to-left scripts turn the line around.
    return c in _PLAIN or (unicodedata.category(c)[0] in "LN" and unicodedata.bidirectional(c) not in ("R", "AL"))
