"""Chooses the next configuration, and stops hopeless ones early."""
