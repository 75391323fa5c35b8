"""What a frame of a venue costs on its way in."""
