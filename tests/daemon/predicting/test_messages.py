"""Messages of a part are the same bytes as messages made alone, of every family and with all that may be in one."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
import torch
from builders import a_bar, a_manifest, an_arrival
from networks import EVERY_KIND, VARIANTS, a_network, inputs_of, raw

from core import prediction
from core.bands import Margin
from core.bars import Origin
from core.bundle import Input, Window
from core.outputs import Attention, Kind, Output
from core.prediction import Context, Message, Reason
from core.reference import HIGH, LOW
from daemon.ports import Float32s, Standing
from daemon.predicting.batch import Batch
from daemon.predicting.behind import Stored
from daemon.predicting.messages import Messages
from daemon.predicting.trust import Trust

ROWS = 20
NOW_MS = 1_800_000_000_000


def some(origin: Origin = Origin.LIVE, *, together: bool = True) -> tuple[Stored, ...]:
    """Bars of as many symbols, of one hour or of several."""
    bars = [
        a_bar(400_000 + (0 if together else row), f"{row}USDT", close=100.5 + row, high=150.1) for row in range(ROWS)
    ]
    return tuple(Stored(an_arrival(bar, origin), row % 2, row % 3) for row, bar in enumerate(bars))


def one_of(batch: Batch, row: int) -> Batch:
    """One of its predictions alone."""
    alone = batch.predicted[row : row + 1]
    inputs = {name: values[row : row + 1] for name, values in batch.inputs.items()}
    return Batch(alone, alone, inputs, reach=batch.reach[row : row + 1])


def words_of(messages: Messages, batch: Batch, outputs: Mapping[str, Float32s], standing: Standing) -> list[bytes]:
    """What goes out, after it was seen that each has the bytes of the message made alone, and of what it says."""
    entries, spoken = messages.of(batch, outputs, NOW_MS, standing)
    assert [entry.message for entry in entries] == spoken.words
    for row, words in enumerate(spoken.words):
        _, alone = messages.of(
            one_of(batch, row), {name: values[row : row + 1] for name, values in outputs.items()}, NOW_MS, standing
        )
        assert [words] == alone.words
        assert words == prediction.encode(prediction.decode(words))
    return spoken.words


@pytest.mark.parametrize(("family", "variant"), VARIANTS, ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_messages_of_every_family_are_the_same_bytes_in_any_part(family: str, variant: str, *, together: bool):
    model = a_network(family, variant, EVERY_KIND)
    inputs = inputs_of(family)
    given = raw(inputs, ROWS, 1)
    with torch.no_grad():
        outputs = {name: values.numpy() for name, values in model(*given).items()}
    margins = tuple(Margin(output.name, coverage, 0.1, 50) for output in EVERY_KIND for coverage in (0.8, 0.9))
    manifest = a_manifest(inputs=inputs, outputs=EVERY_KIND, attentions=model.attentions, margins=margins)
    predicted = some(together=together)
    batch = Batch(predicted, predicted, {one.name: x.numpy() for one, x in zip(inputs, given, strict=True)})
    words = words_of(Messages(manifest, "d" * 64, 3, Trust(inputs, {}), "e"), batch, outputs, Standing(margins=margins))
    sent = [prediction.decode(one).prediction for one in words]
    assert [one.symbol for one in sent] == [one.arrival.bar.symbol for one in predicted]
    for output in EVERY_KIND:
        assert (
            np.array([one.outputs[output.name] for one in sent], np.float32).tobytes() == outputs[output.name].tobytes()
        )
    for seen in manifest.looks:
        weights = np.frombuffer(b"".join(one.gaze[seen.name].weights for one in sent), "<f4")
        assert weights.tobytes() == outputs[seen.name].tobytes()
    assert [set(one.gates) for one in sent] == [{seen.name for seen in manifest.gates}] * ROWS


def everything() -> tuple[Messages, Batch, dict[str, Float32s], Standing]:
    """A bundle and a part of which every message has all that a message may have."""
    chance = np.random.default_rng(3)
    outputs = (Output(Kind.RETURN, 1), Output(Kind.QUANTILES, 4, levels=(0.1, 0.5, 0.9)))
    own, market = (
        Input(name, source, ("a", "b"), "", 1, Window(kind, 8, 2), **lag)  # type: ignore[arg-type]
        for name, source, kind, lag in (("bars", "symbol", "expanding", {}), ("BTC", "market", "rolling", {}))
    )
    attentions = (
        Attention("attention", ("head", "time")),
        Attention("far", ("market",)),
        Attention("gate", ("layer", "time", "gate")),
    )
    margins = tuple(Margin(output.name, coverage, 0.1, 50) for output in outputs for coverage in (0.8, 0.9))
    manifest = a_manifest(inputs=(own, market), outputs=outputs, attentions=attentions, margins=margins)
    reach_N = np.array([8, 2, 8, 3, 1] * 4)
    weights = chance.random((ROWS, 2, 8)).astype(np.float32)
    weights *= np.arange(8) >= 8 - reach_N[:, None, None]
    said = {
        "return_1": chance.normal(0, 0.01, ROWS),
        "quantiles_4": chance.normal(0, 0.01, (ROWS, 3)),
        "attention": weights / weights.sum(axis=-1, keepdims=True),
        "far": np.full((ROWS, 8), 1 / 8),
        "gate": chance.random((ROWS, 2, 8, 3)),
    }
    inputs = {one.name: chance.normal(0, 2, (ROWS, 8, 2)).astype(np.float32) for one in (own, market)}
    predicted = (*some()[:13], *some(origin=Origin.BACKFILLED)[13:])
    predicted = tuple(
        msgspec.structs.replace(one, arrival=msgspec.structs.replace(one.arrival, received_at_ms=10**15 + place))
        for place, one in enumerate(predicted)
    )
    reference = {LOW + "bars": np.array([-1.0, -1.0]), HIGH + "bars": np.array([1.0, 1.0])}
    trust = Trust(manifest.inputs, reference, ["never compared"])
    standing = Standing(("mean", "gone"), margins, ("return_1",), {"attention": 0.25, "far": 1e-5})
    messages = Messages(manifest, "d" * 64, 4, trust, "onnxruntime on cpu")
    batch = Batch(predicted, predicted, inputs, reach=reach_N)
    return messages, batch, {name: values.astype(np.float32) for name, values in said.items()}, standing


def test_a_message_with_all_that_may_be_in_one_is_the_same_bytes_in_any_part():
    sent = [prediction.decode(one) for one in words_of(*everything())]
    for field in (*Message.__struct_fields__, *prediction.Prediction.__struct_fields__, *Context.__struct_fields__):
        told = [
            getattr(part, field) for one in sent for part in (one, one.prediction, one.context) if hasattr(part, field)
        ]
        assert any(one not in (None, (), {}, b"") for one in told), (
            f"{field}: no message here has it; try: put it into everything()"
        )
    assert {doubt.reason for one in sent for doubt in one.context.doubts} == set(Reason)
    assert [len(one.prediction.gaze["attention"].top) for one in sent] == [4, 2, 4, 3, 1] * 4
    assert [len(one.prediction.gaze["far"].top) for one in sent] == [4] * ROWS


def test_what_is_not_finite_is_not_said_and_the_others_are_the_bytes_that_they_are_without_it():
    messages, batch, outputs, standing = everything()
    _, whole = messages.of(batch, outputs, NOW_MS, standing)
    outputs["quantiles_4"][1, 2] = np.nan
    outputs["far"][3, 0] = np.inf
    entries, spoken = messages.of(batch, outputs, NOW_MS, standing)
    said = [None if row in {1, 3} else words for row, words in enumerate(whole.words)]
    assert [entry.message for entry in entries] == said
    assert spoken.words == [words for words in said if words]
    outputs["return_1"][:] = np.nan
    entries, spoken = messages.of(batch, outputs, NOW_MS, standing)
    assert [entry.message for entry in entries] == [None] * ROWS
    assert len(spoken) == 0


def test_what_is_told_is_in_the_order_of_what_is_stored_whatever_the_order_of_predictions():
    messages, batch, outputs, standing = everything()
    _, whole = messages.of(batch, outputs, NOW_MS, standing)
    kept = (Stored(an_arrival(a_bar(symbol="KEPT")), 0), *batch.stored[::-1])
    shuffled = msgspec.structs.replace(batch, stored=kept)
    entries, spoken = messages.of(shuffled, outputs, NOW_MS, standing)
    assert spoken.words == whole.words[::-1]
    assert [entry.message for entry in entries] == [None, *spoken.words]
    assert spoken.symbols == [entry.symbol for entry in entries[1:]]


def test_only_what_went_out_is_told_further():
    _, spoken = (made := everything())[0].of(made[1], made[2], NOW_MS, made[3])
    assert spoken.of([True] * ROWS) is spoken
    gone = spoken.of([row in {1, 4} for row in range(ROWS)])
    assert gone.words == [spoken.words[1], spoken.words[4]]
    assert gone.symbols == [spoken.symbols[1], spoken.symbols[4]]
    assert gone.outputs["return_1"].tolist() == spoken.outputs["return_1"][[1, 4]].tolist()
    assert gone.looks["far"].entropy_N.tolist() == spoken.looks["far"].entropy_N[[1, 4]].tolist()
    assert len(spoken.of([False] * ROWS)) == 0
