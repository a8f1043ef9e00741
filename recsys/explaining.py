"""Reasons under the items of a list: facts, their causal drop, words, and the check of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.aspects.reviews import ReviewIndex
from recsys.aspects.source import AspectSource
from recsys.aspects.table import AspectTable
from recsys.config import EngineConfig, ExplainSettings
from recsys.dataset import EventLog, ItemTable
from recsys.explain.causal import Rescore, drop_uncaused, with_drops
from recsys.explain.check import check
from recsys.explain.facts import FactBook, MatchedWords, shoppers_per_item
from recsys.explain.facts_settings import FactSettings
from recsys.explain.repair import repaired
from recsys.explanation import Case, Explanation, Fact
from recsys.fitting import Fitted
from recsys.funnel import Funnel
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.types import ItemRows, Request, Review, Slates

ASPECTS = "aspects"
PLAIN = "template"


@dataclass(frozen=True, slots=True, eq=False)
class Reasons:
    """Everything that reasons are made of, of one snapshot; shared by all calls.

    ``build`` makes an explainer by name, ``made`` are those that were asked for; `PLAIN` says what another one could
    not say without an unsupported statement. ``updated`` follows live changes at the cost of what changed.
    """

    settings: ExplainSettings
    book: FactBook
    build: Callable[[str], Any]
    made: dict[str, Any]
    table: AspectTable | None = None
    reviews: Sequence[Review] = ()
    aspects: AspectSource | None = None

    @classmethod
    def of(cls, config: EngineConfig, registry: Registry, items: ItemTable, fitted: Fitted, log: EventLog) -> Reasons:
        """Build for a fitted engine over a store; counts of shoppers are those of ``log``."""
        settings = config.explain
        book = FactBook.of(
            items, {n: fitted.generators[n] for n in config.candidates if n in fitted.generators},
            config.fusion.weights, config.fusion.default, shoppers_per_item(log, len(items)),
            FactSettings.model_validate(settings.facts),
        )  # fmt: skip

        def build(name: str) -> Any:
            options = settings.options if name == settings.use else {}
            return registry.build("explainers", {"use": name, **options}, Deps(items=items), "explain")

        generator = fitted.generators.get(ASPECTS)
        return cls(settings, book, build, {}, None if generator is None else generator.table)

    def over(self, reviews: Sequence[Review]) -> Reasons:
        """Return the reasons over the reviews as they are now; itself while they are the same."""
        if self.table is None or reviews is self.reviews:
            return self
        index = ReviewIndex(self.table.lexicon, reviews, self.book.items)
        return replace(self, reviews=reviews, aspects=AspectSource(self.table, index))

    def updated(self, items: ItemTable, fitted: Fitted, changed: ItemRows) -> Reasons:
        """Return the reasons over a changed catalogue and updated generators."""
        return replace(self, book=self.book.updated(items, fitted.generators, changed))

    def facts(
        self, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        words: MatchedWords | None = None,
    ) -> list[list[Fact]]:  # fmt: skip
        """Return the facts of each entry of ``listed`` (m,), strongest first; events that change nothing are out.

        ``ranked`` are all candidates of each request with their final scores; ``rescore`` gives these scores anew.
        """
        found = self.book.collect(requests, listed, words=words, aspects=self.aspects)
        if self.settings.measured:
            vocabulary = self.book.items.vocabulary
            found = with_drops(requests, listed, ranked, found, rescore, vocabulary, self.settings.measured)
        return [drop_uncaused(one) for one in found]

    def explainer(self, name: str) -> Any:
        """Return an explainer, made when first asked for. Raises `UnknownPlugin` for one that is not installed."""
        if name not in self.made:
            self.made[name] = self.build(name)
        return self.made[name]

    def explain(
        self, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        words: MatchedWords | None = None, use: str | None = None,
    ) -> list[Explanation]:  # fmt: skip
        """Return one reason for each entry of ``listed`` (m,); every statement in it has passed the check.

        ``use`` names the explainer, None is the one of the settings.
        """
        explainer, plain = self.explainer(use or self.settings.use), self.explainer(PLAIN)
        facts = self.facts(requests, listed, ranked, rescore, words)
        items = self.book.items
        ids, owner = items.vocabulary.ids(listed.items), listed.request_index.tolist()
        cases = [
            Case(
                item_id=item_id, title=self.book.title(row), facts=tuple(one), user=requests[who].user,
                query=requests[who].text, locale=self.settings.locale, register=self.settings.tone, seed=place,
                now=requests[who].now,
            )
            for place, (item_id, row, who, one) in enumerate(
                zip(ids, listed.items.tolist(), owner, facts, strict=True)
            )
        ]  # fmt: skip
        said = explainer.explain(cases)
        return [checked(one, case, requests[who].now, plain) for one, case, who in zip(said, cases, owner, strict=True)]


def checked(said: Explanation, case: Case, now: int, plain: Any) -> Explanation:
    """Return an explanation every statement of which has passed the check; kind "none" when no claim is left.

    What is taken out is said in the words of the explainer ``plain``, as far as it is a fact.
    """
    if not said.text:
        return said
    return repaired(said, check(said.text, said.evidence, case.title, now=now, locale=case.locale), case, plain)


def rescorer(funnel: Funnel) -> Rescore:
    """Return what gives given candidates their final scores; nothing is cut."""

    def rescore(requests: Sequence[Request], slates: Slates) -> Slates:
        most = int(np.max(slates.lengths, initial=0))
        return funnel.rank(requests, funnel.score_given(requests, slates), most)

    return rescore
