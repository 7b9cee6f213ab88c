"""Analyses of rows beyond a ranking: comparison, importance, selection, experiments, audit."""
