"""The command line: ``recsys VERB``. Every verb is a few lines over the library and works the same from Python."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of the ``recsys`` script."""
    from recsys.cli.app import app

    app(prog_name="recsys")
