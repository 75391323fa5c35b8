import msgspec
import numpy as np
import pytest

from core import attention
from core.outputs import Kind, Output
from training.explain import findings, measure, reliability
from training.explain.explaining import Explained
from training.explain.report import AttentionReport


def measured(of: Explained, weights_NT: np.typing.NDArray[np.float32], bound: float = 1.0) -> AttentionReport:
    """The report of another attention over the same predictions."""
    attention = msgspec.structs.replace(of.predictions.looks[0].attention, bound=bound)
    look = msgspec.structs.replace(of.predictions.looks[0], attention=attention, profile_NT=weights_NT)
    judged = reliability.judge(of.predictions, weights_NT, of.tested)
    return measure.measure(of.predictions, look, of.volatility_N, judged, None)


def drawn(of: Explained, unevenness: float) -> np.typing.NDArray[np.float32]:
    score = unevenness * np.random.default_rng(0).standard_normal((len(of.predictions), 8))
    return (np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)).astype(np.float32)


def test_uniform_attention_has_nothing_to_read_and_nothing_else_is_said(honest: Explained):
    told = findings.tell(measured(honest, drawn(honest, 0.01)))
    assert len(told) == 2
    assert told[0].startswith("Uniform: nothing to read.")
    assert f"n = {len(honest.predictions):,}" in told[0]


def test_a_look_at_bursts_of_volume_is_told_as_such(honest: Explained):
    told = " ".join(honest.report.attentions[0].findings)
    assert "Attention is selective" in told
    assert "relative_volume_24" in told.split("It looks where something happens: ")[1]
    assert "at the heaviest step" in told


def test_attention_at_random_steps_finds_nothing_unusual_and_no_difference(honest: Explained):
    told = " ".join(findings.tell(measured(honest, drawn(honest, 2.0))))
    assert "No feature is less usual where the model looks than elsewhere." in told
    assert "No difference is shown between " in told


def test_a_difference_between_groups_is_told_with_its_size_interval_and_number(honest: Explained):
    of = honest.predictions
    weights = np.where((of.forecast_N > 0)[:, None], np.eye(8)[7], np.eye(8)[0]).astype(np.float32)
    (sentence,) = [one for one in findings.tell(measured(honest, weights)) if one.startswith('"up"')]
    assert "at more recent bars (mean bars ago -7.00 (-7.00 to -7.00))" in sentence
    assert f"n = {len(of):,}" in sentence


def test_bounded_scores_are_told_beside_their_reach(honest: Explained):
    told = findings.tell(measured(honest, drawn(honest, 0.5), bound=np.exp(2) / (np.exp(2) + 7)))
    (sentence,) = [one for one in told if one.startswith("A tanh bounds")]
    assert "of that range" in sentence


def test_buckets_are_told_as_lift_over_even(honest: Explained):
    one = measured(honest, np.tile(np.eye(8, dtype=np.float32)[7], (len(honest.predictions), 1)))
    recent = one.buckets[-1]
    assert (recent.name, recent.first_bars_ago, recent.last_bars_ago) == ("recent", 2, 0)
    assert recent.lift.value == pytest.approx(4.0)
    assert one.patterns == {"late_focused": 1.0}
    assert one.statistics["bars_back_for_80"].value == 1.0


def test_heads_and_layers_are_compared_where_there_are_some(every_axis: Explained):
    own, cross = every_axis.report.attentions
    assert (len(own.heads), len(own.layers), len(own.kept_between_layers)) == (3, 2, 1)
    assert (len(cross.heads), len(cross.layers)) == (3, 0)
    assert np.diag(own.head_redundancy) == pytest.approx([1, 1, 1], abs=1e-5)
    told = " ".join(findings.tell(msgspec.structs.replace(own, statistics=own.statistics | _selective(own))))
    assert "are most alike" in told
    assert "From the first to the last layer entropy goes from" in told
    (gates,) = every_axis.report.gates
    assert 0 < gates.open < 1
    assert sorted(gates.most_variable) == [0, 1, 2, 3, 4]


def test_the_entropy_of_a_head_is_that_of_its_single_looks(every_axis: Explained):
    of = every_axis.predictions
    said = of.subject.say(of.reads(np.arange(len(of))))["self_attention"]
    entropy = attention.normalised_entropy(said)
    own = every_axis.report.attentions[0]
    assert [head.entropy for head in own.heads] == pytest.approx(entropy.mean(axis=(0, 1, 3)).tolist())
    assert [layer.entropy for layer in own.layers] == pytest.approx(entropy.mean(axis=(0, 2, 3)).tolist())


def _selective(of: AttentionReport) -> dict[str, object]:
    return {"displaced": msgspec.structs.replace(of.statistics["displaced"], value=0.5)}


def test_of_an_event_it_is_told_whether_it_came(honest: Explained):
    of = honest.predictions
    event = msgspec.structs.replace(of, output=Output(Kind.PROBABILITY, 1))
    names = {name for name in measure.groups(event, honest.volatility_N) if name[0] in {"forecast", "came to be"}}
    assert names == {("forecast", "yes"), ("forecast", "no"), ("came to be", "it came"), ("came to be", "it did not")}
