"""The names of the arrays in a bundle's reference.npz."""

from typing import Final

LOW: Final = "range.low."
"""With an input's name: (F,), the least value of each feature in training."""
HIGH: Final = "range.high."
"""The largest."""
