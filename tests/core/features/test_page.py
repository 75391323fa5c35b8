"""The page of features in the documentation."""

from pathlib import Path

from core.features import FEATURES, SETS
from core.features.page import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "features.md"


def test_the_documented_features_are_those_of_the_table():
    assert PAGE.read_text() == page(), "try: python -m core.features > docs/reference/features.md"


def test_every_feature_has_a_row_that_says_what_it_is_its_unit_and_its_source():
    rows = [[cell.strip() for cell in line.split(" | ")] for line in page().splitlines() if line.startswith("| `")]
    told = {row[0].strip("|` "): row for row in rows}
    assert told.keys() == FEATURES.keys() | SETS.keys()
    assert all(len(row) == 6 and row[1] and row[4] and row[5].strip("| ") for row in map(told.get, FEATURES) if row)
