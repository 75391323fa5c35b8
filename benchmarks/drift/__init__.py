"""How rarely drift alarms beside its promise, and what of planted drift it finds."""
