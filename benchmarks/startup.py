"""What a process pays before its first line of work: fresh interpreters, from start to exit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import rounded, timed

REPEATS, LIMIT_S = 9, 1.0
COMMANDS = {
    "python": ["-c", "pass"],
    "import recsys": ["-c", "import recsys"],
    "every public name": ["-c", "import recsys; [getattr(recsys, name) for name in recsys.__all__]"],
    "recsys --help": ["-m", "recsys", "--help"],
}
TORCH = "import sys, recsys; [getattr(recsys, name) for name in recsys.__all__]; print('torch' in sys.modules)"


def cases(quick: bool) -> list[dict[str, Any]]:
    return [{"repeats": 2 if quick else REPEATS}]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return the median wall seconds of each command.

    Raises:
        RuntimeError: ``import recsys`` takes a second or imports torch: that is a promise, not a figure.
    """
    out = []
    for name, arguments in COMMANDS.items():
        start(arguments)  # fills the page cache and writes compiled modules
        seconds = [timed(lambda arguments=arguments: start(arguments))[1] for _ in range(case["repeats"])]
        figures: dict[str, Any] = {"median_s": rounded(float(np.median(seconds))), "max_s": rounded(max(seconds))}
        if name == "import recsys":
            figures["torch_imported"] = start(["-c", TORCH]).strip() == "True"
            if figures["torch_imported"] or figures["median_s"] >= LIMIT_S:
                raise RuntimeError(f"import recsys: {figures}")
        out.append({"name": name, "parameters": dict(case), "figures": figures})
    return out


def start(arguments: list[str]) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout
