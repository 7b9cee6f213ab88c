"""Training: the one loop, its checkpoints, seeds and stages."""
