"""The explainer that a language model words: it writes with slots, the facts fill them, the checker decides."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys.errors import ConfigError
from recsys.explain.check import Checked, check
from recsys.explain.slot_rule import Alphabet, SlotRule
from recsys.explain.slots import Draft, draft
from recsys.explain.template import Template
from recsys.explanation import Case, Explanation, language_of
from recsys.protocols import Deps
from recsys.runtime.artifact import open_model
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoding import Reply
from recsys.runtime.prefixes import Prompt

# What a model of ours was trained to go on from, and what any other is asked.
PROMPTS: Mapping[str, str] = {
    "writer": "<explanation>{tone} {sure} {turn}\n{facts}<sep>",
    "instruct": (
        "Explain to a shopper in one or two short sentences why a product is recommended. Say only what the facts "
        "say. Copy each word in square brackets exactly once; it stands for a name or a quote.\n"
        "Tone: {tone}. Certainty: {sure}.\nFacts:\n{facts}\nExplanation:"
    ),
}  # fmt: skip
_PARTS = ("tone", "sure", "turn", "facts")
# A slot in a wrong place may pass the checker; as a rule the model itself does not believe in it.
DOUBT = 0.25
_HELD = 4096  # wordings that are kept
# (what the model reads, the slots that it is offered): the same ones give the same wording.
_Key = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Wording:
    """A text with slots as a model wrote it; ``why`` it is not shown: "length", "deadline", "unsure" or ""."""

    text: str
    why: str = ""


class Generate:
    """Lets a `recsys.runtime.causal.CausalLM` word the facts that the template would choose.

    The model sees no name, value or quote, and has to place each of them once (`recsys.explain.slots`). A text is
    shown as "generated" if the checker supports every statement of it; else the template speaks, and `counts` tells
    why. One model serves as it is downloaded (``prompt = "instruct"``) or as it was trained (``"writer"``).
    ``slow`` tells an engine that lists do not wait for it: see `recsys.writing.Desk`.
    """

    slow: ClassVar[bool] = True

    class Config(BaseModel):
        """Settings.

        Attributes:
            model: name of a causal model in [models].
            prompt: a name of `PROMPTS`, or a text with {facts} and, where wanted, {tone}, {sure} and {turn}.
            locales: languages that the model writes; in others the template speaks.
            sentences: at most so many facts; None leaves it to the register.
            temperature: 0 takes the likeliest words. seed: of draws above 0.
            max_new_tokens: a text that is longer is not shown.
            budget_ms: of one call; what is not written then is said by the template.
            doubt: a text whose tokens the model itself finds less likely than so, as the mean of -log p, is not shown.
                None is `DOUBT` for "writer", whose own texts lie at .1 to .2, and no bound for other prompts.
            template: settings of the fallback.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        model: str = "writer"
        prompt: str = "writer"
        locales: tuple[str, ...] = ("en",)
        sentences: int | None = Field(None, ge=1, le=3)
        temperature: float = Field(0.0, ge=0, le=2)
        seed: int = Field(0, ge=0)
        max_new_tokens: int = Field(96, ge=8, le=512)
        budget_ms: float | None = Field(None, gt=0)
        doubt: float | None = Field(None, gt=0)
        template: Template.Config = Field(default_factory=Template.Config)

        @field_validator("prompt")
        @classmethod
        def _has_facts(cls, prompt: str) -> str:
            if prompt not in PROMPTS and "{facts}" not in prompt:
                raise ValueError(f"choose one of {', '.join(PROMPTS)}, or write a prompt with {{facts}} in it")
            return prompt

    def __init__(self, config: Config, model: CausalLM) -> None:
        """Take a model with a tokenizer. Raises `ConfigError` for one without, or one that cannot write slots."""
        if model.tokens is None:
            raise ConfigError("explanations need a model with a tokenizer")
        self.config, self._model, self._tokens = config, model, model.tokens
        self.template = Template(config.template)
        a = model.architecture
        self._alphabet = Alphabet.of(model.tokens, a.vocabulary, (*a.eos, *(() if a.bos is None else (a.bos,))))
        # A model of ours begins with the token of its task.
        ours = config.prompt == "writer" or a.bos is None
        self._begin = np.array([] if ours else [a.bos], np.int64)
        self._counts: Counter[str] = Counter()
        self._held: OrderedDict[_Key, Wording] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` if there is no such model, or it is no causal one."""
        if config.model not in deps.models:
            known = ", ".join(sorted(deps.models)) or "none"
            raise ConfigError(f"explain: no model {config.model!r} in [models] (there are: {known})")
        given = deps.models[config.model]
        model = given if isinstance(given, CausalLM) else open_model(given)
        if not isinstance(model, CausalLM):
            raise ConfigError(f"explain: [models.{config.model}] is no causal language model")
        return cls(config, model)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many texts were "generated", and how many fell back to the template by reason.

        "language": no model for it. "length", "deadline": the text was not complete. "unsure": see ``doubt`` in the
        settings. "unsupported": the checker found a statement that no evidence supports. "no claim": it says nothing.
        """
        with self._lock:
            return dict(self._counts)

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case: "generated", the template's, or "none" where no fact can be said.

        Raises:
            ConfigError: a language or register that there are no phrases of.
        """
        drafts = [self._draft(case) for case in cases]
        wordings = self._worded(drafts)
        out = [
            None if one is None or wording is None else self._shown(one, wording)
            for one, wording in zip(drafts, wordings, strict=True)
        ]  # fmt: skip
        silent = [i for i, one in enumerate(out) if one is None]
        self._count("language", sum(bool(cases[i].facts) and not self._writes(cases[i]) for i in silent))
        plain = dict(zip(silent, self.template.explain([cases[i] for i in silent]), strict=True))
        return [plain[i] if one is None else one for i, one in enumerate(out)]

    def wordings(self, cases: Sequence[Case]) -> list[str]:
        """Return what the model writes for each case, slots not filled; "" where it has nothing to say."""
        found = self._worded([self._draft(case) for case in cases])
        return ["" if one is None else one.text for one in found]

    def _writes(self, case: Case) -> bool:
        return language_of(case.locale) in self.config.locales

    def _draft(self, case: Case) -> Draft | None:
        if not self._writes(case):
            return None
        return draft(case, self.template.phrases_for(case), self.config.sentences)

    def _worded(self, drafts: Sequence[Draft | None]) -> list[Wording | None]:
        """Return the wording of each draft; what reads alike is written once, and kept: there is no name in it."""
        keys = [None if one is None else (prompt_for(one, self.config.prompt), frozenset(one.slots)) for one in drafts]
        wanted = {key: one for key, one in zip(keys, drafts, strict=True) if key is not None and one is not None}
        with self._lock:
            known = {key: self._held[key] for key in wanted if key in self._held}
        missing = [key for key in wanted if key not in known]
        if missing:
            known.update(zip(missing, self._written([wanted[key] for key in missing]), strict=True))
        with self._lock:
            for key in wanted:
                if known[key].why != "deadline":
                    self._held[key] = known[key]
                    self._held.move_to_end(key)
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        return [None if key is None else known[key] for key in keys]

    def _written(self, drafts: Sequence[Draft]) -> list[Wording]:
        """Let the model write, all drafts at a time."""
        c = self.config
        deadline = None if c.budget_ms is None else time.monotonic() + c.budget_ms / 1000
        asked = [self._tokens.trusted(prompt_for(one, c.prompt)) for one in drafts]
        replies = self._model.generate(
            [Prompt((np.concatenate([self._begin, ids]),)) for ids in asked],
            max_new_tokens=c.max_new_tokens,
            constraint=[SlotRule(one.slots, one.required, self._alphabet) for one in drafts],
            temperature=c.temperature, seed=c.seed, deadline=deadline,
        )  # fmt: skip
        return [Wording(reply.text.strip(), self._why(reply)) for reply in replies]

    def _why(self, reply: Reply) -> str:
        """Return why a reply must not be shown, "" where the checker decides."""
        if not reply.complete:
            return reply.reason
        c = self.config
        most = c.doubt if c.doubt is not None else DOUBT if c.prompt == "writer" else float("inf")
        return "unsure" if -reply.logprob > most * max(1, len(reply.ids)) else ""

    def _shown(self, one: Draft, wording: Wording) -> Explanation | None:
        """Return the text with its names, None where it must not be shown."""
        why = wording.why
        if not why:
            made = judged(one, wording.text)
            wrong = not made.supported or one.misplaced(wording.text)
            why = "unsupported" if wrong else "" if made.claims else "no claim"
        self._count(why or "generated")
        if why:
            return None
        return Explanation(
            text=made.text, kind="generated", evidence=one.evidence, causal_drop=one.causal_drop, confidence=one.sure
        )

    def _count(self, name: str, times: int = 1) -> None:
        if times:
            with self._lock:
                self._counts[name] += times


def prompt_for(one: Draft, prompt: str = "writer") -> str:
    """Return what a model reads of a draft; no word of it comes from a catalogue, a review or a shopper.

    ``prompt`` is a name of `PROMPTS`, or a text of its own.
    """
    out = PROMPTS.get(prompt, prompt)
    for name in _PARTS:
        out = out.replace(f"{{{name}}}", str(getattr(one, name)))
    return out


def judged(one: Draft, text: str) -> Checked:
    """Return the check of a text with slots, names in their places.

    Raises:
        KeyError: a slot that the draft does not have; see `Draft.foreign`.
    """
    case = one.case
    return check(
        one.filled(text), one.evidence, case.title, now=case.now or 0, locale=case.locale, item_id=case.item_id
    )
