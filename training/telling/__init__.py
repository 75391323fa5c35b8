"""What training says on a terminal."""
