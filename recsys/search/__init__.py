"""Product search: an index of fields with typo tolerance, and facets, folding and sorting of what matches."""
