"""Where windows and predictions live: Redis, or a server of the daemon's own."""
