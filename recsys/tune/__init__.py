"""Settings chosen on validation alone: each generator, then the fusion, then the ranker."""

from recsys.tune.stages import to_toml, tune
from recsys.tune.study import Budget

__all__ = ["Budget", "to_toml", "tune"]
