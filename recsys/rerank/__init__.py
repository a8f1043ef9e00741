"""Rerankers: a model looks at the best of a list once more, and may move an item so far and no further."""
