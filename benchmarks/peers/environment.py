"""An environment for each library whose pins clash with ours: made once, used again while its pins are the same."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.runner import ROOT

HERE = Path(__file__).resolve().parent
DONE = "made"  # a file that an environment has when everything is installed


def requirements(library: str) -> Path:
    """Return the pinned requirements of a library; no such file means that it is among our own."""
    return HERE / f"{library}.txt"


def folder_of(library: str, folder: Path) -> Path:
    """Return where the environment of a library lies: another one for other pins or another Python."""
    text = f"{platform.python_version()}\n{requirements(library).read_text(encoding='utf-8')}"
    return folder / f"env-{library}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def python_of(library: str, folder: Path, say: Callable[[str], None] = print) -> Path:
    """Return the interpreter that has a library; its environment is made in ``folder`` where there is none.

    Raises:
        subprocess.CalledProcessError: what is required could not be installed; nothing is left behind.
    """
    if not requirements(library).is_file():
        return Path(sys.executable)
    place = folder_of(library, folder)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (place / DONE).is_file():
        say(f"{library}: making its environment")
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*install, "-r", str(requirements(library))], check=True)
        except BaseException:  # an interrupt, too: what is half made must not be taken for whole
            shutil.rmtree(place, ignore_errors=True)
            raise
        (place / DONE).touch()
    return python


def run_library(library: str, folder: Path, task: Path, say: Callable[[str], None] = print) -> None:
    """Let a library answer the task in the folder ``task``.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on stderr.
    """
    python = python_of(library, folder, say)
    # Ours must not lie before what the environment has.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), "-m", f"benchmarks.peers.{library}", str(task.resolve())]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
