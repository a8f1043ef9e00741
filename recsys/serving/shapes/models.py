"""Models: bundles, what serves, what runs in the shadow, fits under way, experiments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recsys.serving.shapes.base import Shape, example

BundleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}$")]


class VersionIn(Shape):
    """The bundle to serve."""

    model_config = example(version="0123456789abcdef")

    version: BundleId


class ActivateIn(Shape):
    """The bundle to run in the shadow; none ends it."""

    model_config = example(version="0123456789abcdef")

    version: BundleId | None = None


class BundleOut(Shape):
    """One bundle in the folder."""

    version: str
    role: Literal["active", "shadow", "previous", "kept"]
    items: int
    settings_hash: str
    activated_at: str | None = None


class ShadowOut(Shape):
    """How the shadow's lists compare with those that were served, rank by rank, over the latest requests."""

    version: str
    compared: int
    failed: int
    skipped: int
    overlap_at_10: float | None
    rbo: float | None
    kendall_tau: float | None
    slower_by_ms: float | None


class JobOut(Shape):
    """One fit."""

    job_id: str
    state: Literal["queued", "running", "done", "failed"]
    progress: list[str]
    version: str | None
    started_at: str | None
    ended_at: str | None


class ModelsOut(Shape):
    """All about the models of a tenant."""

    active: str | None
    shadow: ShadowOut | None
    bundles: list[BundleOut]
    jobs: list[JobOut]


class RefitIn(Shape):
    """How a fit is to go on."""

    model_config = example(activate=True)

    activate: bool = Field(True, description="Serve the new bundle as soon as it is written.")


class ArmOut(Shape):
    """One arm of an experiment: shoppers who were shown its lists, and what they did afterwards."""

    arm: str
    variant: str
    shoppers: int
    lists: int
    metrics: dict[str, dict[str, Any]]


class ReportOut(Shape):
    """An experiment so far; intervals are at 95 %, ``p`` is corrected for the number of comparisons (Holm)."""

    name: str
    arms: list[ArmOut]
    comparisons: list[dict[str, Any]]
    notes: list[str]
