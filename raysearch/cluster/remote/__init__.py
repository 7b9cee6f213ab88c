"""Drives a sweep on a cluster from a laptop: manifest, launch, jobs."""
