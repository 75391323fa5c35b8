"""Every family has its explanation, from a trained run and from its bundle."""

from pathlib import Path

import numpy as np
import pytest
from looks import silent
from networks import SMALL
from runs import a_recipe, a_run

from core.barfile import read
from core.outputs import Kind
from export.bundle import make_bundle
from export.run import describe, read_sample
from training.explain import explaining, subject
from training.explain.explaining import Explained
from training.explain.pictures import album, style
from training.families import FAMILIES
from training.runs.run import Run

BESIDE = ("data.market=S5", "data.market_features='log_return_1, realised_volatility_24'")
WHOLE = {"transformer": "all", "cross_attention": "coral"}
"""The variants that tell most."""
LIMIT = 60


def trained(family: str, bars: Path, out: Path) -> Run:
    variants = SMALL[family]
    options = {"dropout": 0.0, **variants[WHOLE.get(family, next(iter(variants)))]}
    told = ", ".join(f"{name}={value!r}" for name, value in options.items())
    changes = [f"model.family={family}", f"model.options={{{told}}}", "window.length=16"]
    changes += ["label.kind=['buckets', 'direction']"]
    changes += BESIDE if FAMILIES[family].market else ()
    changes += ("window.kind=expanding", "window.minimum=4") if FAMILIES[family].expanding else ()
    return a_run(a_recipe(*changes), bars, out)


def explained(folder: Path, bars: Path) -> Explained:
    return explaining.explain(subject.read(folder), bars, "direction_1", LIMIT, None, silent)


def drawn(of: Explained) -> set[str]:
    """The names of all pictures; of single predictions the first one's are drawn too."""
    whole = {str(name): draw for name, draw in album.pictures(of).items()}
    with style.styled():
        for name, draw in whole.items():
            if not name.startswith("cases") or of.report.cases[0].folder in name:
                assert draw().get_suptitle()
    return set(whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_explained_from_its_run_and_alike_from_its_bundle(family: str, bars_path: Path, tmp_path: Path):
    run = trained(family, bars_path, tmp_path / "run")
    told = explained(run.folder, bars_path)
    pictures = drawn(told)
    for one in run.attentions:
        if one.gates:
            assert f"{one.name}/gates.png" in pictures
            continue
        assert f"{one.name}/seven_panels.png" in pictures
        for axis, picture in (("head", "heads"), ("layer", "layers")):
            assert (f"{one.name}/{picture}.png" in pictures) == (axis in one.axes[:-1])
        weights = told.predictions.looks[[look.attention.name for look in told.predictions.looks].index(one.name)]
        assert weights.profile_NT.sum(axis=1) == pytest.approx(np.ones(LIMIT), abs=1e-4)
    assert told.predictions.output.kind is Kind.DIRECTION
    sample, reference = read_sample(run.folder)
    folder = make_bundle(tmp_path / "bundle", run.model, describe(run, family, "1"), sample, reference).folder
    again = explained(folder, bars_path)
    assert again.report.methods == ("occlusion",)
    for ours, theirs in zip(told.predictions.looks, again.predictions.looks, strict=True):
        assert np.abs(ours.profile_NT - theirs.profile_NT).max() < 1e-5
    assert read(bars_path).fingerprint == again.report.bars_fingerprint
