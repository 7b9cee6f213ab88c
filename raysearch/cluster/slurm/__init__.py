"""Runs a sweep in jobs of Slurm: file, script, queue, and what a job does."""
