"""What a cluster's nodes cost: prices, the time that they were up, what was spent."""
