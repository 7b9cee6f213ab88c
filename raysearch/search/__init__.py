"""Which trial next: search spaces, samplers, early stopping, and the study that remembers.

Optuna's study on a database is the only authority over a sweep (`raysearch.search.study.ledger`);
Ray Tune only schedules what the study has decided.
"""
