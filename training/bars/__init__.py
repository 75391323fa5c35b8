"""Bars in: read what people have, say what is wrong with it, and make bars whose process is known."""
