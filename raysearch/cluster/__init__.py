"""Where does a trial run: Ray, and Ray Train kept warm in slots."""
