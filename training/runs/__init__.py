"""What a training leaves behind, whole or cut off, and what may be wrong with it."""
