"""One training loop for every model that plug-ins train in torch: seeded, resumable, with curves."""
