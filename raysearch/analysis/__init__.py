"""What rows show beyond a ranking: comparison, importance, selection, experiments, audit."""
