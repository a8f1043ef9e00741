"""What features are called in words: for whoever looks at why an item ranks where it does."""

from __future__ import annotations

import re

WORDS = {
    "fused": "score of all sources together",
    "fused_share": "score of all sources, as a part of the best candidate's",
    "fused_place": "place by all sources together (logarithm)",
    "n_found": "how many sources listed the item",
    "prior": "score of all sources, as the settings weigh it",
    "item_popularity": "how popular the item is",
    "item_age_days": "age of the item in days",
    "item_log_price": "price of the item (logarithm)",
    "item_n_categories": "how many categories the item has",
    "user_n_events": "how much is known of the shopper",
    "user_dislikes": "share of dislikes in the history",
    "user_days_idle": "days since the shopper's last event",
    "user_popularity": "how popular the shopper's choices are",
    "user_last_popularity": "how popular the shopper's last choice is",
    "same_brand_as_last": "same brand as the last choice",
    "brand_share": "share of the latest choices that are of this brand",
    "category_like_last": "likeness of categories to the last choice",
    "category_like_history": "likeness of categories to the latest choices",
    "category_best": "likeness of categories to the most alike of the latest choices",
    "price_step": "price against the latest choices",
    "price_step_last": "price against the last choice",
    "query_words": "words of the search",
    "query_chars": "letters of the search",
    "query_numbers": "numbers in the search",
    "title_chars": "letters of the title",
    "title_ratio": "likeness of search and title, letter by letter",
    "title_partial": "likeness of the search to the best part of the title",
    "title_words_ratio": "likeness of search and title, whatever the order of words",
}
# Of every source, of every column that a finder adds for a search, and of every number that the catalogue states.
_SOURCE = re.compile(r"(?P<of>.+)_(?P<what>score|share|place)")
_SAID = {
    "score": "score of {}",
    "share": "score of {}, as a part of the best candidate's",
    "place": "place by {} (logarithm)",
}
_NUMBER = {
    "number": "{} of the item",
    "place": "place of the item by {} (logarithm)",
    "named": "the search names its {}",
}


def label(name: str) -> str:
    """Return a feature in words; one that nobody has words for keeps its name, without the underscores."""
    if name in WORDS:
        return WORDS[name]
    kind, colon, rest = name.partition(":")
    if colon and kind in _NUMBER:
        return _NUMBER[kind].format(rest.replace("_", " "))
    found = _SOURCE.fullmatch(name)
    if found is not None:
        return _SAID[found["what"]].format(found["of"].replace("_", " "))
    return name.replace("_", " ")
