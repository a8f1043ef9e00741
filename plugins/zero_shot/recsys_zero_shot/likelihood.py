"""The reranker `likelihood`: which title is likeliest to be chosen next, with templates of the packs."""

from __future__ import annotations

from pathlib import Path

from recsys.rerank.causal import Likelihood as Core
from recsys_zero_shot.packs import pack_file


class Likelihood(Core):
    """`recsys.rerank.causal.Likelihood` with packs: "sequential/title", "sequential/title-few-shot", "direct/title"."""

    pack = pack_file("sequential/title")

    @classmethod
    def find(cls, template: str) -> Path:
        """Return the file of a template. Raises `PromptError` for an unknown one."""
        return pack_file(template)
