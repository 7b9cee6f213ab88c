"""What may be concluded from scores: pure functions of numbers, each with its source."""
