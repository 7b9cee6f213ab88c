"""Executes runs: Ray, and Ray Train workers kept warm in slots."""
