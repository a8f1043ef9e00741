"""What a training run did: its end, its best step, its curves; as JSON, and as a picture where matplotlib is."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.runtime.models import write_whole

Curve = tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The record of one run, over all its resumptions.

    Attributes:
        stopped: "done" (all steps), "patience" (validation no better for long) or "deadline" (time was up: a later
            call with the same folder goes on).
        steps, epochs: how far it came. seconds: wall time spent training. seed: everything random follows from it.
        best_step, best: the step that validated best, and its figures; -1 and empty without validation.
        training: rows {"step", "loss", ...}, means since the row before. validation: rows {"step", figure...}.
        parameters: how many numbers were trained.
    """

    stopped: str
    steps: int
    epochs: int
    seconds: float
    seed: int
    best_step: int = -1
    best: Mapping[str, float] = field(default_factory=dict)
    training: Curve = ()
    validation: Curve = ()
    parameters: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def write(self, folder: Path) -> None:
        """Write report.json, and curves.png where matplotlib is installed."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        write_whole(folder / "report.json", text.encode())
        picture = self.picture()
        if picture is not None:
            write_whole(folder / "curves.png", picture)

    def picture(self) -> bytes | None:
        """Return the curves as a PNG, one panel a figure; None without matplotlib or without any curve."""
        names = sorted({n for row in (*self.training, *self.validation) for n in row} - {"step"})
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None
        if not names:
            return None
        figure = Figure(figsize=(4.2 * len(names), 3.2), layout="constrained")
        for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for label, rows in (("training", self.training), ("validation", self.validation)):
                points = [(row["step"], row[name]) for row in rows if name in row]
                if points:
                    axis.plot(*zip(*points, strict=True), label=label)
            if self.best_step >= 0:
                axis.axvline(self.best_step, color="grey", linewidth=0.8, linestyle=":")
            axis.set_title(name)
            axis.set_xlabel("step")
            axis.legend()
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
        return out.getvalue()
