"""Reasons for recommended items: facts, their text, and the check of a text against its evidence."""
