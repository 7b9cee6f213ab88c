"""What rows show beyond a ranking: comparison, importance, regret, audit, history."""
