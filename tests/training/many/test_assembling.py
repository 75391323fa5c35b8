from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from bundles import float_weights, rewritten, scaled
from runs import a_recipe, a_run
from typer.testing import CliRunner

from core import barfile, bundle
from core.errors import BundleError, DataError, UsageError
from daemon.engines import open_engine
from daemon.engines.proof import prove
from export import cli as export
from training import job
from training.cli import app
from training.data.dataset import Samples
from training.data.panel import panel
from training.job import Job
from training.judging.predicting import predict
from training.many.assembling import assemble, tune
from training.runs import peeks, run
from training.runs.run import Run

LABELS = ('label.kind=["return", "direction"]', "label.horizons=[1, 4]")
OTHER = "{hidden=[8, 8], dense=[8, 8], dropout=0.0}"


@pytest.fixture(scope="module")
def members(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ...]:
    """Two seeds of one recipe and another family with a longer window."""
    folder = tmp_path_factory.mktemp("members")
    other = ("model.family=attention_lstm", f"model.options={OTHER}", "window.length=12")
    return (
        a_run(a_recipe(*LABELS), bars_path, folder / "first"),
        a_run(a_recipe(*LABELS, "seed=1"), bars_path, folder / "second"),
        a_run(a_recipe(*LABELS, *other), bars_path, folder / "third"),
    )


@pytest.fixture(scope="module")
def joined(members: tuple[Run, ...], bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An ensemble of all three, weighed 0.5, 0.3 and 0.2."""
    return assemble(members, bars_path, tmp_path_factory.mktemp("joined") / "run", "three", [0.5, 0.3, 0.2])


def test_every_output_is_the_weighted_mean_of_what_the_members_say(
    joined: Run, members: tuple[Run, ...], bars_path: Path
):
    test = _test_part(joined, bars_path)
    said = predict(joined.model, test)
    # The rows of the buffer are the same whatever the window.
    own = [predict(one.model, Samples(Job(one.recipe, bars_path).panel, test.ends_N)) for one in members]
    for output in joined.outputs:
        mean = 0.5 * own[0][output.name] + 0.3 * own[1][output.name] + 0.2 * own[2][output.name]
        np.testing.assert_allclose(said[output.name], mean, atol=1e-6)
    np.testing.assert_allclose(said["attention_2"][:, 4:], own[1]["attention"], atol=1e-6)
    np.testing.assert_array_equal(said["attention_2"][:, :4], 0)
    np.testing.assert_allclose(said["attention_3"], own[2]["attention"], atol=1e-6)


def test_an_ensemble_is_a_run_that_names_its_members(joined: Run):
    again = run.load(joined.folder)
    assert again.facts.kind == "ensemble"
    assert [(one.run, one.family, one.seed) for one in again.facts.members] == [
        ("first", "hourly_lstm", 0),
        ("second", "hourly_lstm", 1),
        ("third", "attention_lstm", 0),
    ]
    assert [one.weight for one in again.facts.members] == pytest.approx([0.5, 0.3, 0.2])
    assert [seen.name for seen in again.attentions] == ["attention_1", "attention_2", "attention_3"]
    assert again.inputs[0].window.length == 12
    assert [one.by for one in peeks.read(joined.folder)][:1] == ["gaze ensemble"]


def test_evaluating_an_ensemble_gives_the_scores_of_its_run(joined: Run, bars_path: Path):
    assert job.evaluate(joined, bars_path) == joined.evaluation


def test_nothing_a_member_was_trained_or_chosen_on_is_judged(joined: Run, members: tuple[Run, ...]):
    for part in ("validation", "test"):
        assert joined.facts.ends[part][0] >= max(one.facts.ends[part][0] for one in members)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_ensemble_exports_as_any_run_does(joined: Run, tmp_path: Path):
    """Its golden outputs are reproduced by ONNX Runtime, streaming graphs too, or the export would be refused."""
    out = tmp_path / "bundle"
    words = [str(joined.folder), "--out", str(out)]
    assert CliRunner().invoke(export.app, words, catch_exceptions=False).exit_code == 0
    made = bundle.read(out)
    assert made.manifest.family == "ensemble"
    assert not made.manifest.not_streaming
    assert [one.name for one in made.manifest.attentions] == ["attention_1", "attention_2", "attention_3"]
    for name in float_weights(made.path("model.onnx").read_bytes()):
        wrong = rewritten(made, tmp_path / "wrong", "model.onnx", scaled(name, 1.01))
        with pytest.raises(BundleError, match="does not reproduce its golden values"):
            prove(open_engine("onnxruntime", wrong), wrong)


def test_tuned_weights_lean_to_the_member_that_is_right(bars_path: Path):
    validation = Job(a_recipe(), bars_path).parts.validation
    (output,) = validation.panel.outputs
    right = validation.target(output).astype(np.float32)
    chance = np.random.default_rng(0)
    noise = [chance.normal(0, 0.01, len(right)).astype(np.float32) for _ in range(2)]
    weights = tune([{output.name: right}, {output.name: noise[0]}], validation)
    assert weights[0] > 0.99
    even = tune([{output.name: right + noise[0]}, {output.name: right + noise[1]}], validation)
    assert even == pytest.approx([0.5, 0.5], abs=0.051)


def test_the_command_tunes_writes_and_tells_the_weights(members: tuple[Run, ...], bars_path: Path, tmp_path: Path):
    words = ["ensemble", *(str(one.folder) for one in members[:2]), "--bars", str(bars_path)]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "run")], catch_exceptions=False)
    told = run.load(tmp_path / "run").facts
    assert sum(one.weight for one in told.members) == pytest.approx(1)
    assert f"{told.members[0].weight:.3f}  first  hourly_lstm, seed 0" in result.output
    with pytest.raises(UsageError, match="are no numbers"):
        CliRunner().invoke(app, [*words, "--out", str(tmp_path / "no"), "--weights", "a,b"], catch_exceptions=False)


def test_members_that_do_not_belong_together_are_refused(members: tuple[Run, ...], bars_path: Path, tmp_path: Path):
    stranger = a_run(a_recipe("label.horizons=[2]"), bars_path, tmp_path / "stranger")
    with pytest.raises(DataError, match=r"differ in \[label\]"):
        assemble([members[0], stranger], bars_path, tmp_path / "run", "no", None)
    with pytest.raises(UsageError, match="needs two runs"):
        assemble(members[:1], bars_path, tmp_path / "run", "no", None)
    with pytest.raises(UsageError, match="2 weights for 3 runs"):
        assemble(members, bars_path, tmp_path / "run", "no", [0.5, 0.5])


def test_the_members_weights_are_those_of_their_runs(joined: Run, members: tuple[Run, ...]):
    for reader, member in zip(joined.model.members, members, strict=True):
        for name, value in member.model.state_dict().items():
            assert torch.equal(reader.model.state_dict()[name], value)


def test_the_recipe_of_an_ensemble_reads_back(joined: Run):
    again = run.load(joined.folder).recipe
    assert msgspec.to_builtins(again) == msgspec.to_builtins(joined.recipe)
    assert again.model.options["members"]["3"]["family"] == "attention_lstm"


def test_members_that_read_longer_bars_or_a_market_read_them_in_an_ensemble_too(bars_path: Path, tmp_path: Path):
    """The longer bars keep their own window; the market's is as long as its member's."""
    scaled = ("data.scales=['2h', '4h']", "data.scale_length=3", "data.scale_features='log_return_1, parkinson_12'")
    hybrid = ("model.family=hybrid_lstm", "model.options={hidden=8, heads=2}", "label.kind=direction")
    cross = "{d_model=8, heads=2, layers=1, feed_forward=8, market_layers=1}"
    market = ("model.family=cross_attention", f"model.options={cross}", "data.market=S0", "data.market_features=btc_3")
    for changes, inputs in (((*scaled, *hybrid, "split.purge=labels"), 3), (market, 2)):
        folder = tmp_path / changes[-1].replace("/", "_")
        longer = (*changes, "seed=1", "window.length=10")
        pair = [a_run(a_recipe(*one), bars_path, folder / str(place)) for place, one in enumerate((changes, longer))]
        both = assemble(pair, bars_path, folder / "both", "both", [0.5, 0.5])
        assert len(both.inputs) == inputs
        assert job.evaluate(both, bars_path) == both.evaluation
        test = _test_part(both, bars_path)
        said = predict(both.model, test)
        output = both.outputs[0].name
        own = [predict(one.model, Samples(Job(one.recipe, bars_path).panel, test.ends_N))[output] for one in pair]
        np.testing.assert_allclose(said[output], (own[0] + own[1]) / 2, atol=1e-6)


def _test_part(joined: Run, bars_path: Path) -> Samples:
    made = panel(barfile.read(bars_path, "1h"), joined.recipe)
    return Samples(made, made.ends_N[made.opened_at_ms_R[made.ends_N] >= joined.facts.ends["test"][0]])
