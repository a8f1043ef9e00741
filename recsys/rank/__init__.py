"""The pre-ranker and its controls."""
