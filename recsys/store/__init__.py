"""Where a shop's items, events and reviews live."""
