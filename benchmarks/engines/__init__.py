"""Every model family on every engine and device: how far from PyTorch, and how fast."""
