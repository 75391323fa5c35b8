"""What is claimed of speed and survival, measured: a room for each question, every program a `gaze bench NAME`."""
