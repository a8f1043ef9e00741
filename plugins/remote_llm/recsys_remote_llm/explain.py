"""The explainer `remote-chat`: a chat model puts checked statements about an item into its own words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field

from recsys.explain.statements import evidence_of, line, reworded, told
from recsys.explain.template import Template
from recsys.explanation import Case, Explanation, language_of
from recsys.protocols import Deps
from recsys.rerank.foreign import clean
from recsys_remote_llm.chat import PATH, chat_body
from recsys_remote_llm.client import Client
from recsys_remote_llm.each import each
from recsys_remote_llm.prompts import Prompts
from recsys_remote_llm.replies import chat_reply
from recsys_remote_llm.settings import Server, key_of

TITLE_CHARS = 120


class RemoteWriter:
    """Sends the strongest facts of a case as sentences of the template and takes back a text.

    The text is a stranger's: an engine checks every statement of it against the evidence and lets the template say
    what does not hold. Where the server gives no text for a case the template speaks; where it fails all of a batch
    the error is raised. Sent are titles, quotes and acts ("you bought ... in May"); no ids and no names of shoppers.
    ``slow`` tells an engine that lists do not wait for it: its texts join later ones.
    """

    slow: ClassVar[bool] = True

    class Config(Server):
        """Where the server is, and what it is sent.

        Attributes:
            facts: so many of the strongest are sent.
            sentences: that the model is asked for.
            max_tokens: of the answer.
            temperature: 0 takes the likeliest word each time.
            prompts: a file of texts in place of the package's ``prompts.toml``.
        """

        facts: int = Field(3, ge=1, le=10)
        sentences: int = Field(2, ge=1, le=5)
        max_tokens: int = Field(160, ge=1, le=100_000)
        temperature: float = Field(0.0, ge=0, le=2)
        prompts: str = ""

    def __init__(self, config: Config, client: Client, prompts: Prompts, template: Template | None = None) -> None:
        self.config = config
        self.client = client
        self.prompts = prompts
        self.template = template or Template()

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` without a key that is named, or proper prompts."""
        return cls(config, Client(config, key_of(config)), Prompts.read(config.prompts))

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case, of kind "generated", or the template's.

        Raises:
            ConfigError: a language or register that there are no phrases of.
            RemoteError: the server failed every case.
        """
        out = self.template.explain(cases)
        facts = [told(case, self.template, self.config.facts) for case in cases]
        asked = [place for place, some in enumerate(facts) if some]
        texts = each([partial(self._ask, cases[p], facts[p]) for p in asked], self.config.concurrency)
        for place, text in zip(asked, texts, strict=True):
            if isinstance(text, str) and text:
                out[place] = reworded(cases[place], text, evidence_of(facts[place]), out[place])
        return out

    def _ask(self, case: Case, facts: Sequence[Explanation]) -> str:
        config = self.config
        language = self.prompts.fill(f"languages.{language_of(case.locale)}")
        system = self.prompts.fill("explain.system", sentences=config.sentences, language=language, tone=case.register)
        user = self.prompts.fill(
            "explain.user",
            title=clean(case.title, TITLE_CHARS),
            statements="\n".join(f"- {s.text}" for s in facts),
        )
        reply = self.client.ask(PATH, chat_body(system, user, config.max_tokens, config.temperature))
        text, cut = chat_reply(reply.data)
        return line(text, cut)
