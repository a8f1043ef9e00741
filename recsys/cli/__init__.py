"""The command line: ``recsys VERB``. Every verb is a few lines over the library and works the same from Python."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line; the entry point of the ``recsys`` script."""
    # Threads of LightGBM that wait for one another spin by default: where another process wants the cores too, a fit
    # then takes four times as long. The policy is read when the library is loaded, so it is set before all imports.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from recsys.cli.app import app

    app(prog_name="recsys")
