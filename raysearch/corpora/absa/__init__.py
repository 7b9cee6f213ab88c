"""Where do aligned views of sentences with marked aspects come from, pair by pair."""
