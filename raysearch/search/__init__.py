"""The search: spaces, samplers, early stopping, the study that remembers, and the sweep.

Optuna's study on a database is the only authority over a sweep (`raysearch.search.study.ledger`);
Ray Tune only schedules what the study has decided.
"""
