"""The search space: its file, its parameters, its experiment."""
