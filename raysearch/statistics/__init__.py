"""Statistics of scores: pure functions of numbers, each with its source."""
