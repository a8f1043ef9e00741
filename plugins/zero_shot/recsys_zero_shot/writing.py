"""What the parts share that let a model write a text: the prompt, the tokens, one clean line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recsys.errors import ConfigError
from recsys.explain.statements import line
from recsys.rerank.assemble import Assembler, Entries, Values
from recsys.rerank.prompt import Task, Template
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt
from recsys_zero_shot.packs import pack_file


class WritingConfig(BaseModel):
    """``model``, ``template``, ``budget``, ``before``, ``after`` as of the rerankers; a text has ``max_new_tokens``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = ""
    template: str = ""
    budget: int | None = Field(None, ge=32)
    before: str = ""
    after: str = ""
    max_new_tokens: int = Field(96, ge=1, le=1024)


class Writer:
    """A template of the form "writing" and the model that goes on from it.

    Raises:
        PromptError: a template for something else. ConfigError: a model without tokenizer.
    """

    def __init__(
        self, config: WritingConfig, model: CausalLM, task: Task, template: str, filled: Collection[str]
    ) -> None:
        if model.tokens is None:
            raise ConfigError(f"model '{config.model}' has no tokenizer: prompts need one")
        self._config, self._model = config, model
        self.template = Template.read(pack_file(config.template or template))
        self.template.require({task}, "writing", {*filled, "examples"})
        bos = model.architecture.bos
        budget = min(config.budget or self.template.tokens, model.max_tokens) - config.max_new_tokens
        self._assembler = Assembler(
            self.template, model.tokens, budget=budget, begin=() if bos is None or config.before else (bos,),
            before=config.before, after=config.after,
        )  # fmt: skip

    def write(self, asked: Sequence[Values], deadline: float | None = None) -> list[str]:
        """Return one line for each, cut at the end of a whole sentence where the model had to be stopped."""
        worked = self.template.example[: self.template.shots]
        shots = {"examples": Entries([{"given": e.given, "answer": e.answer} for e in worked])} if worked else {}
        values = [Values(v.texts, {**v.lists, **shots}) for v in asked]
        prompts = [Prompt((self._assembler.shared(v, closed=True).ids,)) for v in values]
        most = self._config.max_new_tokens
        replies: Any = self._model.generate(prompts, max_new_tokens=most, stop=["\n"], deadline=deadline)
        return [line(r.text, r.reason in ("length", "deadline")) for r in replies]
