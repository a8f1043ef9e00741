"""Features of the pre-ranker, one family a file."""
