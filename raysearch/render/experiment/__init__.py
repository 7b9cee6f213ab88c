"""Shows the result of an experiment: on a terminal, as a page, and as one figure."""
