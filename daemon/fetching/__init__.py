"""Bars from a venue's history into a file."""
