"""The cost of a cluster's nodes: prices, uptime and spending."""
