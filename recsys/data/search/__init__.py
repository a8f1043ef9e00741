"""Catalogues with judged queries: what a search is measured on."""
