"""What reviewers judge: aspects and sentiment from review texts, by item and by shopper, with their evidence."""

from recsys.aspects.lexicon import Lexicon, Mention
from recsys.aspects.reviews import ReviewIndex, Said
from recsys.aspects.source import AspectSource
from recsys.aspects.table import AspectTable

__all__ = ["AspectSource", "AspectTable", "Lexicon", "Mention", "ReviewIndex", "Said"]
