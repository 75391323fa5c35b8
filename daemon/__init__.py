"""A bundle and a feed in; predictions and metrics out. No torch anywhere in its imports."""
