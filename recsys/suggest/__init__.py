"""What to type next: completions of what is being typed, and queries that may follow."""

from recsys.suggest.entities import Entities, entities_of
from recsys.suggest.suggester import Suggester, Suggestion

__all__ = ["Entities", "Suggester", "Suggestion", "entities_of"]
