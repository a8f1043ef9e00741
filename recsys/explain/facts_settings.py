"""What may be said and how much of it: the settings of facts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recsys.explain.facts_text import TITLE_LIMIT


class FactSettings(BaseModel):
    """Limits of what is said.

    Attributes:
        k_anonymity: nothing is said about fewer shoppers than these.
        novelty_days: how long an item is new.
        max_events, max_attributes: facts of these kinds about one item. max_facts: all facts about one item.
        common_share: a value that more than this share of the catalogue holds tells nothing.
        event_floor: an event whose strength is below it is no reason. Chosen on the sample shop: see
            `recsys.explain.strength`.
        sensitive: further words and phrases that no reason may touch, beside the built-in ones.
        title_limit, value_limit: characters of a title; a longer attribute value is prose and no fact.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k_anonymity: int = Field(10, ge=2)
    novelty_days: int = Field(30, ge=1)
    max_events: int = Field(3, ge=0)
    max_attributes: int = Field(3, ge=0)
    max_facts: int = Field(12, ge=1)
    common_share: float = Field(0.5, gt=0, le=1)
    event_floor: float = Field(0.5, ge=0, le=1)
    sensitive: tuple[str, ...] = ()
    title_limit: int = Field(TITLE_LIMIT, ge=10)
    value_limit: int = Field(60, ge=5)
