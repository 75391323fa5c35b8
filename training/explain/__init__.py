"""Where a model looks, in pictures, numbers and words, and whether to believe them."""
