"""MSMO."""
