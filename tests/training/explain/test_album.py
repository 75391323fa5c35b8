"""Every picture has its line in the docs, and every line its picture."""

import re
from pathlib import Path

from training.explain.explaining import Explained
from training.explain.pictures import album

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "pictures.md"
BEYOND = {"truth.png", "seeds.png", "epochs.png", "horizons.png", "matrices.png", "gates.png"}
"""What the two explanations of this test do not have."""


def test_the_page_on_pictures_tells_each_of_them(explained: Explained, market_explained: Explained):
    told = {name for line in PAGE.read_text().splitlines() for name in re.findall(r"^\| `([^`]+)`", line)}
    drawn = set()
    for one in (explained, market_explained):
        names = "|".join(look.attention.name for look in one.predictions.looks)
        for path in album.pictures(one):
            name = re.sub(r"^cases/[^/]+/", "cases/CASE/", str(path))
            name = re.sub(rf"^({names})/", "ATTENTION/", name)
            name = re.sub(rf"^cases/CASE/({names})", "cases/CASE/ATTENTION", name)
            name = re.sub(r"^outputs/.*", "outputs/OUTPUT.png", name)
            name = re.sub(r"^hangs_on/.*", "hangs_on/INPUT.png", name)
            name = re.sub(r"^inside/(?!evolution).*", "inside/LAYERS.png", name)
            drawn.add(re.sub(r"^gate/", "GATES/", name))
    assert drawn <= told
    assert {name.rpartition("/")[2] for name in told - drawn} <= BEYOND
