from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from training.explain.explaining import Explained
from training.explain.pictures import album, judged, outputs, style
from training.explain.truth import Truth


def drawn_in(of: Explained) -> dict[str, Figure]:
    with style.styled():
        return {str(name): draw() for name, draw in album.pictures(of).items()}


@pytest.fixture(scope="module")
def tiny(explained: Explained) -> dict[str, Figure]:
    return drawn_in(explained)


@pytest.fixture(scope="module")
def axes_of_all_kinds(every_axis: Explained) -> dict[str, Figure]:
    return drawn_in(every_axis)


def pixels(of: Figure) -> np.typing.NDArray[np.uint8]:
    canvas = FigureCanvasAgg(of)
    of.set_dpi(40)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def words(of: Figure) -> str:
    told = [text.get_text() for text in of.findobj(lambda one: hasattr(one, "get_text"))]
    return "\n".join(told)


def plots(of: Figure) -> Iterator[object]:
    """Axes that are neither a colour bar nor a page of text."""
    return (axes for axes in of.axes if axes.axison and axes.get_label() != "<colorbar>")


def test_every_picture_of_the_document_is_there(tiny: dict[str, Figure]):
    assert {
        "outputs.png",
        "losses.png",
        *(f"attention/{name}.png" for name in ("seven_panels", "distribution", "heatmap", "by_outcome", "groups")),
        *(f"attention/{name}.png" for name in ("around", "saliency", "reliability")),
    } <= tiny.keys()
    single = [name for name in tiny if name.startswith("cases/true_positive")]
    assert len(single) == 3


def test_no_picture_is_blank_and_every_axis_has_its_label(
    tiny: dict[str, Figure], axes_of_all_kinds: dict[str, Figure]
):
    whole = list(tiny.items()) + [item for item in axes_of_all_kinds.items() if "/" in item[0]]
    seen = set()
    for name, picture in whole:
        kind = name.rpartition("/")[2]
        if kind in seen:
            continue
        seen.add(kind)
        assert len(np.unique(pixels(picture).reshape(-1, 3), axis=0)) > 20, name
        assert picture.get_suptitle(), name
        labels = [axes.get_xlabel() or axes.get_ylabel() for axes in plots(picture)]
        assert all(labels), (name, labels)


def test_the_seven_panels_are_seven_with_thresholds_lift_and_summary(tiny: dict[str, Figure]):
    picture = tiny["attention/seven_panels.png"]
    assert len([axes for axes in picture.axes if axes.get_label() != "<colorbar>"]) == 7
    told = words(picture)
    for expected in ("even: 12.50 %", "50 % in the last", "80 % in the last", "normalised entropy", "recent", "x even"):
        assert expected in told


def test_a_prediction_shows_dates_its_top_five_and_what_came(tiny: dict[str, Figure], explained: Explained):
    case = explained.report.cases[0]
    picture = tiny[f"cases/{case.folder}/attention.png"]
    title = picture.get_suptitle()
    assert case.symbol in title
    assert case.opened_at in title
    assert "right" in title or "wrong" in title
    told = words(picture)
    assert "top 5" in told
    assert case.opened_at[:10] in told
    highlighted = [bar for bar in picture.axes[0].patches if to_hex(bar.get_facecolor()).upper() == style.VERMILION]
    assert sorted(bar.get_height() for bar in highlighted) == pytest.approx(
        sorted(100 * step.weight for step in case.looks[0].top), rel=1e-5
    )


def test_attention_is_drawn_over_the_close_and_the_features(tiny: dict[str, Figure], explained: Explained):
    picture = tiny[f"cases/{explained.report.cases[0].folder}/attention_features.png"]
    assert len(picture.axes) == 2 + 3
    told = words(picture)
    assert "close" in told
    assert "log_return_1" in told


def test_groups_are_drawn_on_one_axis_with_their_numbers(tiny: dict[str, Figure]):
    told = words(tiny["attention/by_outcome.png"])
    for expected in ("right, n = ", "wrong, n = ", "up, n = ", "calm third, n = ", "surest fifth, n = ", "even"):
        assert expected in told


def test_a_heatmap_names_each_prediction_and_whether_it_was_right(tiny: dict[str, Figure]):
    names = [label.get_text() for label in tiny["attention/heatmap.png"].axes[0].get_yticklabels()]
    assert len(names) == 24
    assert all(name.startswith("S") and name.endswith(("right", "wrong")) for name in names)


def test_losses_mark_the_epoch_that_was_kept(tiny: dict[str, Figure], explained: Explained):
    told = words(tiny["losses.png"])
    assert "kept: epoch 1" in told
    assert "validation" in told
    assert "epoch" in told
    longer = tuple(
        type(epoch)(number, 1.0 / number, 1.0, 0.1, 1.0, number == 1)
        for epoch in explained.report.history
        for number in (1, 2, 3)
    )
    assert "No better for 2 epochs" in words(outputs.losses(longer))


def test_heads_layers_matrices_and_gates_are_drawn_where_there_are_some(
    axes_of_all_kinds: dict[str, Figure], tiny: dict[str, Figure]
):
    names = axes_of_all_kinds.keys()
    assert {"self_attention/heads.png", "self_attention/layers.png", "self_attention/matrices.png"} <= names
    assert {"cross_attention/heads.png", "cross_attention/matrices.png", "gate/gates.png"} <= names
    assert "cross_attention/layers.png" not in names
    assert not any("heads" in name or "matrices" in name for name in tiny)
    matrices = axes_of_all_kinds["self_attention/matrices.png"]
    assert "layer 1, head 2" in words(matrices)
    assert "market" in words(axes_of_all_kinds["cross_attention/matrices.png"])
    assert "head 2" in words(axes_of_all_kinds["self_attention/heads.png"])


def test_planted_causes_are_drawn_beside_chance(explained: Explained):
    told = explained.report.attentions[0]
    finder = _finder(told)
    picture = judged.truth(told, Truth({1: 0.1, 3: 0.3, 5: 0.5}, (finder,)))
    assert "chance" in words(picture)
    assert "attention, n = " in words(picture)


def _finder(told: object):
    from training.explain.truth import Finder

    one = told.statistics["entropy"]
    return Finder("attention", {1: one, 3: one, 5: one}, one)


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path: Path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with style.styled():
        saved = style.save(style.figure("nothing"), tmp_path / "nothing.png")
    assert dict(mpl.rcParams) == before
    assert saved.read_bytes().startswith(b"\x89PNG")
