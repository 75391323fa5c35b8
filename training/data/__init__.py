"""Bars into what a model learns from: feature rows, labels, windows, and where they are split."""
