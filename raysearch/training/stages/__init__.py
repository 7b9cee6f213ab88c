"""Stages that trials share: their keys, cache and locks."""
