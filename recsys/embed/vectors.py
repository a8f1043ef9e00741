"""Arithmetic on rows of vectors: one place for models and indexes."""

from recsys.runtime.vectors import SHORTEST, unit

__all__ = ["SHORTEST", "unit"]
