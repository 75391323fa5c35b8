from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from networks import LENGTH, a_network
from runs import a_recipe, a_run

from core import barfile
from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.data.panel import panel
from training.fitting import calibration
from training.fitting.calibration import KNOTS, Isotonic, Temperature
from training.network import heads
from training.recipe import Calibration
from training.runs.run import load

EVENT, UPWARD, CLASSES = (
    Output(Kind.PROBABILITY, 1),
    Output(Kind.DIRECTION, 1),
    Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0)),
)


def drawn(output: Output, sharpness: float, count: int = 40_000):
    """Raw numbers `sharpness` times those that labels were drawn with."""
    random = np.random.default_rng(2)
    head = heads.make(4, output, coral=True)
    if output.kind is Kind.ORDINAL:
        raw_NR = torch.tensor(random.normal(size=(count, 1)) + np.array([0.7, -0.7]))
        share_NW = np.concatenate([np.zeros((count, 1)), head.plain(raw_NR).double().numpy().cumsum(axis=1)], axis=1)
        label_N = (random.uniform(size=(count, 1)) > share_NW[:, 1:-1]).sum(axis=1)
    else:
        raw_NR = torch.tensor(random.normal(size=(count, 2 if output.kind is Kind.DIRECTION else 1)))
        label_N = random.uniform(size=count) < head.plain(raw_NR).numpy()
    return head, sharpness * raw_NR, label_N.astype(np.float64)


@pytest.mark.parametrize("output", [EVENT, UPWARD, CLASSES], ids=str)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_that_labels_were_drawn_with(output: Output, sharpness: float):
    head, raw_NR, label_N = drawn(output, sharpness)
    assert calibration.temperature(output, head, raw_NR, label_N) == pytest.approx(sharpness, rel=0.06)


def test_an_isotonic_map_finds_a_bend_that_no_temperature_has():
    random = np.random.default_rng(3)
    said_N = random.uniform(size=40_000)
    truth_N = np.where(said_N < 0.5, 0.2, said_N**2)
    came_N = (random.uniform(size=40_000) < truth_N).astype(float)
    mapping = Isotonic()
    mapping.through(*calibration.isotonic(said_N, came_N))
    found_N = mapping(torch.tensor(said_N[:, None])).numpy()[:, 0]
    assert np.abs(found_N - truth_N).mean() < 0.02
    assert np.abs(said_N - truth_N).mean() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_an_isotonic_map_never_falls_and_is_never_certain(seed: int):
    random = np.random.default_rng(seed)
    said_N, came_N = random.beta(0.3, 0.3, 500), random.integers(0, 2, 500).astype(float)
    said_K, came_K = calibration.isotonic(said_N, came_N)
    assert all(left < right for left, right in pairwise(said_K))
    assert all(left <= right for left, right in pairwise(came_K))
    assert 0 < came_K.min() <= came_K.max() < 1
    assert len(said_K) <= KNOTS


def test_pools_are_those_of_least_squares():
    """Against every way to cut 6 groups into neighbours whose shares never fall."""
    said_N, came_N = np.arange(6.0), np.array([0.0, 1, 0, 1, 1, 0])
    _, came_K = calibration.isotonic(said_N, came_N)
    best = min(
        (
            float(sum(((part - part.mean()) ** 2).sum() for part in parts)),
            [round((part.sum() + 1) / (len(part) + 2), 6) for part in parts],
        )
        for cuts in range(32)
        for parts in [np.split(came_N, [at + 1 for at in range(5) if cuts >> at & 1])]
        if all(left.mean() < right.mean() for left, right in pairwise(parts))
    )
    assert np.round(came_K, 6).tolist() == best[1]


def test_a_map_that_is_not_fitted_changes_nothing():
    said_N1 = torch.linspace(0, 1, 50)[:, None]
    assert torch.equal(Temperature()(said_N1), said_N1)
    torch.testing.assert_close(Isotonic()(said_N1), said_N1)


def test_each_kind_of_output_is_given_the_map_that_fits_it():
    def mapped(method: str):
        model = a_network("hourly_lstm", "linear", (EVENT, UPWARD, CLASSES, Output(Kind.RETURN, 1)))
        calibration.attach(model, Calibration(method))
        return [type(mapping).__name__ if (mapping := calibration._map(one)) else None for one in model.heads.values()]

    assert mapped("none") == [None] * 4
    assert mapped("temperature") == ["Temperature"] * 3 + [None]
    assert mapped("isotonic") == ["Isotonic", "Isotonic", "Temperature", None]


def test_labels_too_few_or_all_alike_are_not_calibrated_on():
    head = heads.make(4, EVENT)
    head.before = Temperature()
    for label_N in (np.ones(500), np.array([1.0, 0.0] * 20)):
        told = calibration._fit(EVENT, head, torch.randn(len(label_N), 1), label_N)
        assert told.startswith("not calibrated")
        assert float(head.before.temperature) == 1


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_run_is_calibrated_and_comes_back_as_it_was(method: str, bars_path: Path, tmp_path: Path):
    recipe = a_recipe('label.kind=["direction", "winner"]', "label.threshold=0.01", f"calibration.method={method}")
    first = a_run(recipe, bars_path, tmp_path / "run")
    assert set(first.facts.calibration) == {"direction_1", "probability_1"}
    assert all(method in told for told in first.facts.calibration.values())
    assert {one.coverage for one in first.facts.margins} == {0.8, 0.9, 0.95}
    x_NTF = torch.randn(5, 8, 3)
    again = load(tmp_path / "run")
    with torch.inference_mode():
        said, repeated = first.model(x_NTF), again.model(x_NTF)
        raw = again.model.raw(x_NTF)
    for output in again.outputs:
        assert torch.equal(said[output.name], repeated[output.name])
        assert not torch.allclose(said[output.name], again.model.head(output).plain(raw[output.name]), atol=1e-4)


def likelihood(said_N: npt.NDArray[np.float64], label_N: npt.NDArray[np.float64]):
    return float(np.log(np.where(label_N > 0, said_N, 1 - said_N)).mean())


def test_what_is_fitted_is_likelier_than_what_a_network_says_that_is_far_too_sure(bars_path: Path):
    made = panel(barfile.read(bars_path, "1h"), a_recipe("label.kind=direction", f"window.length={LENGTH}"))
    some = Samples(made, made.ends_N)
    for method in ("temperature", "isotonic"):
        model = a_network("hourly_lstm", "linear", made.outputs)
        (head,) = (model.head(one) for one in model.outputs)
        with torch.no_grad():
            head.linear.weight.mul_(50)
        calibration.attach(model, Calibration(method))
        raw_NR = calibration._raw(model, some)[made.outputs[0].name]
        calibration.fit(model, some)
        label_N = some.target(made.outputs[0])
        before, after = (one(raw_NR).double().numpy() for one in (head.plain, head.say))
        assert likelihood(after, label_N) > likelihood(before, label_N) + 0.01
        assert likelihood(after, label_N) > np.log(0.5) - 0.01
