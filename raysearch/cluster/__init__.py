"""Where trials run: Ray, and Ray Train kept warm in slots."""
