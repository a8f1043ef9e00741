"""Reasons under the items of a list: facts, their causal drop, words, and the check of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from recsys.aspects.reviews import ReviewIndex
from recsys.aspects.source import AspectSource
from recsys.aspects.table import AspectTable
from recsys.config import EngineConfig, ExplainSettings
from recsys.dataset import EventLog, ItemTable
from recsys.errors import ContractError, ModelError, StageError
from recsys.explain.causal import Rescore, among, drop_uncaused, with_drops
from recsys.explain.check import check
from recsys.explain.facts import FactBook, MatchedWords, shoppers_per_item
from recsys.explain.facts_settings import FactSettings
from recsys.explain.repair import repaired
from recsys.explanation import Case, Explanation, Fact
from recsys.fitting import Fitted
from recsys.funnel import Funnel
from recsys.profile.sensitive import SensitiveWords
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.types import ItemRows, Request, Review, Slates
from recsys.writing import Desk

T = TypeVar("T")
ASPECTS = "aspects"
PLAIN = "template"
PUBLIC = ("query", "popularity", "novelty")  # kinds of facts that hold whoever looks


@dataclass(frozen=True, slots=True)
class Said:
    """Reasons of a batch, one for each listed entry, and which parts fell back, "explain:<name>:<error>".

    ``pending`` has one entry each, too, where a slow explainer was asked: whether its words are still to come.
    """

    explanations: list[Explanation]
    degraded: tuple[str, ...] = ()
    pending: tuple[bool, ...] = ()


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
    making: Lock = field(default_factory=Lock)

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
            options = settings.options if name == settings.use else settings.others.get(name, {})
            return registry.build(
                "explainers", {"use": name, **options}, Deps(items=items, models=config.models), "explain"
            )

        generator = fitted.generators.get(ASPECTS)
        return cls(settings, book, build, {}, None if generator is None else generator.table)

    def over(self, reviews: Sequence[Review]) -> Reasons:
        """Return the reasons over the reviews as they are now; itself while they are the same."""
        if self.table is None or reviews is self.reviews:
            return self
        words = SensitiveWords(self.book.settings.sensitive)
        index = ReviewIndex(self.table.lexicon, reviews, self.book.items)
        return replace(self, reviews=reviews, aspects=AspectSource(self.table, index, words=words))

    def updated(self, items: ItemTable, fitted: Fitted, changed: ItemRows) -> Reasons:
        """Return the reasons over a changed catalogue and updated generators."""
        return replace(self, book=self.book.updated(items, fitted.generators, changed))

    def facts(
        self, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        words: MatchedWords | None = None, personal: bool = True,
    ) -> list[list[Fact]]:  # fmt: skip
        """Return the facts of each entry of ``listed`` (m,), strongest first; events that change nothing are out.

        ``ranked`` are all candidates of each request with their final scores; ``rescore`` gives these scores anew. What
        is listed and no candidate was brought in by a rule: nothing that the shopper did is a reason for it.
        """
        found = self.book.collect(requests, listed, words=words, aspects=self.aspects)
        if not personal:
            return [[f for f in one if f.kind != "event"] for one in found]
        ours = among(listed, ranked).tolist()
        found = [one if own else [f for f in one if f.kind in PUBLIC] for one, own in zip(found, ours, strict=True)]
        if self.settings.measured:
            vocabulary = self.book.items.vocabulary
            found = with_drops(requests, listed, ranked, found, rescore, vocabulary, self.settings.measured)
        return [drop_uncaused(one) for one in found]

    def explainer(self, name: str) -> Any:
        """Return an explainer, made when first asked for. Raises `UnknownPlugin` for one that is not installed."""
        with self.making:
            if name not in self.made:
                self.made[name] = self.build(name)
            return self.made[name]

    def is_slow(self, name: str) -> bool:
        """Whether lists do not wait for an explainer; one that cannot be made is not waited for either way."""
        try:
            return bool(getattr(self.explainer(name), "slow", False))
        except ModelError:  # `said` says so, where the template can speak instead
            return False

    def cases(self, requests: Sequence[Request], listed: Slates, facts: Sequence[Sequence[Fact]]) -> list[Case]:
        """Return what an explainer is given for each entry of ``listed`` (m,)."""
        ids, owner = self.book.items.vocabulary.ids(listed.items), listed.request_index.tolist()
        return [
            Case(
                item_id=item_id, title=self.book.title(row), facts=tuple(one), user=requests[who].user,
                query=requests[who].text, locale=self.settings.locale, register=self.settings.tone, seed=place,
                now=requests[who].now,
            )
            for place, (item_id, row, who, one) in enumerate(
                zip(ids, listed.items.tolist(), owner, facts, strict=True)
            )
        ]  # fmt: skip

    def explain(
        self, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        words: MatchedWords | None = None, use: str | None = None, *, personal: bool = True,
    ) -> list[Explanation]:  # fmt: skip
        """Return one reason for each entry of ``listed`` (m,); every statement in it has passed the check.

        Arguments are those of `said`. Raises `StageError` where a part fails.
        """
        return self.said(requests, listed, ranked, rescore, words, use, personal=personal, strict=True).explanations

    def worded(self, cases: Sequence[Case], use: str | None = None) -> list[Explanation]:
        """Return one checked reason for each case, (n,); whatever an explainer raises is raised."""
        return _spoken(self.explainer(use or self.settings.use), cases, self.explainer(PLAIN))

    def _explainers(self, use: str | None, strict: bool, degraded: list[str]) -> dict[str, Any]:
        """Return the explainers to try in turn, the template last; one whose model cannot be opened is noted."""
        found: dict[str, Any] = {}
        for name in (use or self.settings.use, PLAIN):
            try:
                found[name] = self.explainer(name)
            except ModelError as error:
                if strict:
                    raise StageError("explain", name, str(error)) from error
                degraded.append(f"explain:{name}:{type(error).__name__}")
        return found

    def said(
        self, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        words: MatchedWords | None = None, use: str | None = None, *, personal: bool = True, strict: bool = False,
        desk: Desk | None = None,
    ) -> Said:  # fmt: skip
        """Return one reason for each entry of ``listed`` (m,), and what fell back on the way.

        In place of an explainer that fails the template speaks; where facts or the template fail nothing is said.

        Args:
            requests: (b,) as they were asked.
            listed: what is shown.
            ranked, rescore: see `facts`.
            words: which words of a search an item holds.
            use: the explainer, None is the one of the settings.
            personal: whether what the shopper did has a part in the order of ``listed``. It has none where they chose
                the order (by price, say): then no event is a reason, and nothing is measured.
            strict: whether a part that fails raises `StageError`.
            desk: of an explainer that a list does not wait for: what it has ready is used, else the template's words.
        """
        degraded: list[str] = []
        explainers = self._explainers(use, strict, degraded)

        def facts() -> list[Case]:
            found = self.facts(requests, listed, ranked, rescore, words, personal)
            return self.cases(requests, listed, found)

        cases = _tried("facts", facts, strict, degraded)
        if cases is None:
            return Said([Explanation() for _ in listed.items.tolist()], tuple(degraded))
        if desk is not None:
            name = next(iter(explainers))
            said = _tried(PLAIN, partial(_in_passing, desk, cases, explainers[PLAIN], name), strict, degraded)
            said = said or Said([Explanation() for _ in cases])
            if strict and said.degraded:
                raise StageError("explain", name, said.degraded[0])
            return replace(said, degraded=(*degraded, *said.degraded))
        for name, explainer in explainers.items():
            spoken = _tried(name, partial(_spoken, explainer, cases, explainers[PLAIN]), strict, degraded)
            if spoken is not None:
                return Said(spoken, tuple(degraded))
        return Said([Explanation() for _ in listed.items.tolist()], tuple(degraded))


def _in_passing(desk: Desk, cases: Sequence[Case], plain: Any, name: str) -> Said:
    """Return what is ready, the template's words for the rest, what is still to come, and why others never will."""
    answers, spoken = desk.take(cases), _spoken(plain, cases, plain)
    words = [
        said if a.ready is None else _measured(a.ready, case)
        for a, said, case in zip(answers, spoken, cases, strict=True)
    ]
    dropped = sorted({a.why for a in answers} - {"", "pending", "no facts"})
    degraded = tuple(f"explain:{name}:{why}" for why in dropped)
    return Said(words, degraded, tuple(a.why == "pending" for a in answers))


def _measured(ready: Explanation, case: Case) -> Explanation:
    """Return a kept text with what its event counts for in the list of ``case``: it was worded for another list."""
    if ready.causal_drop is None:
        return ready
    drops = (f.causal_drop for f in case.facts if f.kind == "event" and f.evidence[0] in ready.evidence)
    return replace(ready, causal_drop=next((d for d in drops if d is not None), None))


def _tried(part: str, work: Callable[[], T], strict: bool, degraded: list[str]) -> T | None:
    """Return what ``work`` gives; None where it fails, with a note. Raises `StageError` in strict mode."""
    try:
        return work()
    except Exception as error:  # whatever a plug-in raises must not take the list down: one without reasons is better
        if strict:
            raise StageError("explain", part, str(error)) from error
        degraded.append(f"explain:{part}:{type(error).__name__}")
        return None


def _spoken(explainer: Any, cases: Sequence[Case], plain: Any) -> list[Explanation]:
    """Return one explanation for each case, checked. Raises `ContractError` for an explainer that gives others."""
    said = list(explainer.explain(cases))
    if len(said) != len(cases) or not all(isinstance(one, Explanation) for one in said):
        raise ContractError(f"an explainer owes {len(cases)} explanations and gave {len(said)} things")
    return [checked(one, case, case.now or 0, plain) for one, case in zip(said, cases, strict=True)]


def checked(said: Explanation, case: Case, now: int, plain: Any) -> Explanation:
    """Return an explanation every statement of which has passed the check; kind "none" when no claim is left.

    What is taken out is said in the words of the explainer ``plain``, as far as it is a fact.
    """
    if not said.text:
        return said
    made = check(said.text, said.evidence, case.title, now=now, locale=case.locale, item_id=case.item_id)
    return repaired(said, made, case, plain)


def rescorer(funnel: Funnel) -> Rescore:
    """Return what gives given candidates their final scores; nothing is cut, and no deadline ends it half way."""

    def rescore(requests: Sequence[Request], slates: Slates) -> Slates:
        most, asked = int(np.max(slates.lengths, initial=0)), [replace(r, deadline=None) for r in requests]
        return funnel.rank(asked, funnel.score_given(asked, slates), most)

    return rescore
