from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from networks import OUTPUTS, a_network, an_input, inputs_of, raw
from runs import a_recipe, a_run, some_bars, write_parquet

from core.errors import ConfigError
from core.outputs import Kind, Output
from training import families
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.windows import Windows
from training.judging.predicting import predict

SMALL = "model.options={windows=[3, 6], hidden=8, heads=2, queries='last'}"
EXPANDING = ("model.family=hybrid_lstm", SMALL, "window.kind=expanding", "window.length=12", "window.minimum=4")


def lacking(x: torch.Tensor, rows: int) -> torch.Tensor:
    x = x.clone()
    x[:, :rows] = torch.nan
    return x


@pytest.mark.parametrize("variant", ["all", "last"])
@pytest.mark.parametrize("rows", [1, 6, 12])
def test_a_window_that_lacks_rows_says_what_a_shorter_one_says(variant: str, rows: int):
    """The same weights over a window that has no more than the rows there are; lacking ones get no attention."""
    model, (x,) = a_network("hybrid_lstm", variant), raw(inputs_of("hybrid_lstm"), 5)
    said = model(lacking(x, rows))
    options = {"windows": [min(one, 16 - rows) for one in model.windows], "hidden": 16, "heads": 2, "queries": variant}
    short = families.build("hybrid_lstm", options, inputs_of("hybrid_lstm", 16 - rows), OUTPUTS).eval()
    short.load_state_dict(model.state_dict())
    expected = short(x[:, rows:])
    for output in OUTPUTS:
        torch.testing.assert_close(said[output.name], expected[output.name])
    for seen in model.attentions:
        assert (said[seen.name][..., :rows] == 0).all()
        torch.testing.assert_close(said[seen.name][..., rows:], expected[seen.name])


def test_rows_of_one_batch_may_lack_each_its_own():
    model, (x,) = a_network("hybrid_lstm", "all"), raw(inputs_of("hybrid_lstm"), 3)
    mixed = torch.cat([lacking(x[:1], 3), x[1:2], lacking(x[2:], 9)])
    together = model(mixed)["return_1"]
    alone = torch.cat([model(mixed[[row, row]])["return_1"][:1] for row in range(3)])
    torch.testing.assert_close(together, alone)


def test_that_of_the_document_has_its_parts_and_their_sizes():
    outputs = tuple(Output(Kind.DIRECTION, horizon) for horizon in (15, 60))
    model = families.build("hybrid_lstm", {}, (an_input(720, 33, kind="expanding"),), outputs)
    lstm, look = 4 * 128 * (33 + 128 + 2), 4 * 128 * 128 + 3 * 128
    sizes = {name: sum(one.numel() for one in part.parameters()) for name, part in model.named_children()}
    assert {name: size for name, size in sizes.items() if size} == {
        "fixed": 3 * lstm,
        "expanding": lstm,
        "look": look,
        "norm": 256,
        "cross": look,
        "fuse": 7 * 128 * 128 + 128,
        "towers": 2 * (128 * 64 + 64),
        "heads": 2 * (2 * 64 + 2),
    }


def test_a_fixed_window_longer_than_the_expanding_one_is_refused():
    with pytest.raises(ConfigError, match=r"fixed windows of \[15, 60, 240\] bars are read from one of 100"):
        families.build("hybrid_lstm", {}, (an_input(100, 3),), OUTPUTS)


def test_an_expanding_window_begins_at_the_first_bar_or_after_a_gap_and_rolls_once_it_is_full():
    made = panel(some_bars(symbols=1, missing=(300,)), a_recipe(*EXPANDING))
    x = Windows(made, torch.device("cpu")).features(torch.from_numpy(made.ends_N)).numpy()
    there = np.isfinite(x).all(axis=2)
    assert (there == np.isfinite(x).any(axis=2)).all()
    assert (np.diff(there.astype(int), axis=1) >= 0).all()
    counted = dict(zip(made.ends_N.tolist(), there.sum(axis=1).tolist(), strict=True))
    first = made.features.lookback - 1
    for start in (first, 300 + first):
        assert [counted.get(start + rows - 1) for rows in (3, 4, 5, 12, 13)] == [None, 4, 5, 12, 12]
    full = there.all(axis=1)
    np.testing.assert_array_equal(x[full][0], made.features_RF[made.ends_N[full][0] - 11 : made.ends_N[full][0] + 1])


def test_bars_before_the_first_of_an_expanding_window_are_nan_in_a_sample():
    made = panel(some_bars(symbols=2), a_recipe(*EXPANDING))
    samples = Samples(made, made.ends_N)
    second = int(np.flatnonzero(made.symbol_R[made.ends_N] == 1)[0])
    bars = samples.bars(np.array([second]))
    known = made.features.lookback + 4 - 1
    assert np.isnan(bars[0, :-known]).all()
    assert np.isfinite(bars[0, -known:]).all()


def test_it_is_trained_on_windows_of_every_length(tmp_path: Path):
    bars = write_parquet(some_bars(), tmp_path / "bars.parquet")
    recipe = a_recipe(*EXPANDING, "optimiser.rates.fixed=0.5", "label.kind=direction", "label.horizons=[1, 3]")
    trained = a_run(recipe, bars, tmp_path / "run")
    assert trained.inputs[0].window.kind == "expanding"
    made = panel(some_bars(), recipe)
    said = predict(trained.model, Samples(made, made.ends_N))
    assert all(np.isfinite(values).all() for values in said.values())
    assert (said["attention"].sum(axis=-1) > 0.999).all()


def test_rows_that_a_window_lacks_have_no_weight_and_change_nothing():
    model, (x,) = a_network("hybrid_lstm", "all"), raw(inputs_of("hybrid_lstm"), 4)
    x[:, :6] = torch.nan
    said = model(x)
    for name in ("attention", "cross_attention"):
        assert (said[name][..., :6] == 0).all()
        torch.testing.assert_close(said[name].sum(-1), torch.ones(said[name].shape[:-1]))
    shorter = families.build(
        "hybrid_lstm",
        {**networks.SMALL["hybrid_lstm"]["all"], "dropout": 0.0},
        (an_input(10, 3, kind="expanding"),),
        OUTPUTS,
    )
    shorter.load_state_dict(model.state_dict())
    for output in OUTPUTS:
        torch.testing.assert_close(shorter.eval()(x[:, 6:])[output.name], said[output.name], rtol=0, atol=1e-6)
