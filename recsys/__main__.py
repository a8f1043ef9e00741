"""``python -m recsys`` is ``recsys``."""

from recsys.cli import main

if __name__ == "__main__":  # a worker of `recsys serve` imports this module, too
    main()
