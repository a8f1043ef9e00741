"""Candidate generators, one a file, and what unites their lists."""
