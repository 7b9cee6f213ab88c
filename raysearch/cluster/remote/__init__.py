"""A sweep on a cluster that is driven from a laptop: manifest, launch, jobs."""
