"""Readers of public data sets, splits, the sample shop."""
