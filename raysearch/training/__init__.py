"""How a step is taken: the one loop, its checkpoints, seeds and stage keys."""
