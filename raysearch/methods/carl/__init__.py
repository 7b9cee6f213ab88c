"""CARL."""
