"""Evaluation: splits in, honest tables out."""
