"""The search: spaces, samplers, early stopping, the study and the sweep.

Optuna's study in a database is the only source of truth (`raysearch.search.study.ledger`); Ray
Tune only schedules what the study has decided.
"""
