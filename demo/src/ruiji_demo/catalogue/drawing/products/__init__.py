"""One sketch function for each leaf category, which draws every style variant of it."""
