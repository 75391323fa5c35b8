"""`python -m core.features > docs/reference/features.md`: every feature and set, as a page."""

from core.features.page import page

print(page(), end="")
