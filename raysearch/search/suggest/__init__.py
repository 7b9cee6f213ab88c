"""Which configuration is tried next, and which run is stopped early."""
