"""The page of features in the documentation."""

from pathlib import Path

import pytest

from core.features import FAMILIES, FEATURES, SETS, Feature, FeatureSet
from core.features.page import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "features.md"


def test_the_documented_features_are_those_of_the_table():
    assert PAGE.read_text() == page(), "try: python -m core.features > docs/reference/features.md"


def test_every_feature_has_a_row_that_says_what_it_is_its_unit_and_its_source():
    rows = [[cell.strip() for cell in line.split(" | ")] for line in page().splitlines() if line.startswith("| `")]
    told = {row[0].strip("|` "): row for row in rows}
    assert told.keys() == FEATURES.keys() | SETS.keys()
    assert all(len(row) == 6 and row[1] and row[4] and row[5].strip("| ") for row in map(told.get, FEATURES) if row)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0].family)
def test_every_feature_has_its_panel_in_a_picture_that_was_drawn_from_it(family: tuple[Feature, ...]):
    name = f"images/features-{family[0].family}.svg"
    picture = (PAGE.parent / name).read_text()
    assert f"]({name})" in PAGE.read_text()
    drawn = FeatureSet([feature.name for feature in family]).digest
    assert f"digest {drawn}" in picture, "try: python docs/pictures.py --bars FILE"
    for feature in family:
        assert f">{feature.name}</text>" in picture
        assert f">{feature.unit or 'number'}</text>" in picture
