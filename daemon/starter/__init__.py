"""What `gaze init` writes: a folder to begin in, in which every command of its README works."""
