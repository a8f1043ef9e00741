"""Merchandising rules: what a merchant asks of every list, and lists that obey."""

from recsys.rules.apply import apply
from recsys.rules.extra import extra, widened
from recsys.rules.model import Boost, Bury, Cap, Explore, Hide, Pin, Rules
from recsys.rules.page import Page

__all__ = [
    "Boost", "Bury", "Cap", "Explore", "Hide", "Page", "Pin", "Rules", "apply", "extra", "widened",
]  # fmt: skip
