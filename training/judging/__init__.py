"""Scores beside baselines, with intervals, and what forecasts would have earned."""
