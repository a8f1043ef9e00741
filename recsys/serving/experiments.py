"""Experiments: which shopper sees which variant, for as long as the experiment lasts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from recsys.types import utc

BUCKETS = 10_000  # shares are met to a hundredth of a per cent
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]


class Arm(BaseModel):
    """One arm: the ``variant`` that its shoppers get, and its ``weight`` beside the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Name
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)


class Experiment(BaseModel):
    """A comparison of variants: the first arm is the control.

    A shopper stays in an arm for as long as names, weights and ``salt`` stay; another salt deals anew. ``share`` of
    the shoppers take part, the same ones whatever the weights. ``placements``: of which lists, () = of all.
    ``window_days``: how long after a list was shown what a shopper does still counts for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    arms: dict[Name, Arm] = Field(min_length=2, max_length=16)
    placements: tuple[Name, ...] = ()
    share: float = Field(1.0, gt=0, le=1)
    salt: str = Field("", max_length=64)
    starts: AwareDatetime | None = Field(None, alias="from")
    ends: AwareDatetime | None = Field(None, alias="until")
    window_days: float = Field(7.0, gt=0, le=366)

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError(f"from {self.starts.isoformat()} is not before until {self.ends.isoformat()}")
        return self

    def arm(self, name: str, user: str) -> str | None:
        """Return the arm of a shopper in the experiment of that name, None for one who does not take part."""
        if _bucket(f"{name}\x00{self.salt}\x00share\x00{user}") >= self.share * BUCKETS:
            return None
        at = _bucket(f"{name}\x00{self.salt}\x00arm\x00{user}") / BUCKETS * sum(a.weight for a in self.arms.values())
        for arm, settings in self.arms.items():
            at -= settings.weight
            if at < 0:
                return arm
        return next(reversed(self.arms))  # a sum of weights is rounded

    def runs(self, placement: str, now: int) -> bool:
        """Return whether lists of a placement are part of it at epoch second ``now``."""
        begun = self.starts is None or now >= utc(self.starts)
        return begun and (self.ends is None or now < utc(self.ends)) and placement in (self.placements or (placement,))


def assigned(
    experiments: Mapping[str, Experiment], placement: str, user: str | None, now: int
) -> tuple[str, str, str] | None:
    """Return (experiment, arm, variant) of a list, of the first experiment that the shopper is in; None = of none.

    Nobody in particular is in no experiment: there is no one to stay with.
    """
    if user is None:
        return None
    for name, experiment in experiments.items():
        if experiment.runs(placement, now) and (arm := experiment.arm(name, user)) is not None:
            return name, arm, experiment.arms[arm].variant
    return None


def _bucket(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % BUCKETS
