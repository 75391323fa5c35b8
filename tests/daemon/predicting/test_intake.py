"""Missing bars: what waits, what is held flat, what is said again once a bar has come, and whom none of it touches."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from builders import HOUR, a_manifest, an_arrival
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars import CLOSE, Arrival, Bar, Origin
from core.bundle import Input, Manifest, Window
from core.features import FeatureSet
from core.inputs import Inputs
from core.prediction import decode
from core.windows import Windows
from daemon.predicting.batch import Admission, Batch
from daemon.predicting.behind import MOST_FILLED
from daemon.predicting.pipeline import Pipeline

KNOWN = FeatureSet.named("btc_3")
NEEDED = 28
"""A window of 4 rows; the first looks back on 25 bars."""
START = 400_000
Floats = npt.NDArray[np.float32]


def reads(kind: str = "rolling", **changes: object) -> Input:
    window = Window("expanding", 4, 2) if kind == "expanding" else Window("rolling", 4, 4)
    usual = {"name": "bars", "source": "symbol"}
    return msgspec.convert(
        usual
        | {"features": KNOWN.names, "features_digest": KNOWN.digest, "lookback": KNOWN.lookback}
        | {"window": msgspec.to_builtins(window)}
        | changes,
        Input,
    )


MARKET = reads(name="market", source="market", symbol="MARKET", lag=1)


def bars(first: int, last: int, symbol: str = "A") -> list[Bar]:
    """Bars first to last after the start; the same number is the same bar, whatever is asked for."""
    made = []
    for number in range(first, last + 1):
        close, volume = np.random.default_rng([number, *symbol.encode()]).uniform(95, 105, 2)
        made.append(Bar(symbol, (START + number) * HOUR.ms, 100.0, 110.0, 90.0, float(close), float(volume)))
    return made


class Desk:
    """A pipeline and its windows; what is predicted is taken as published."""

    def __init__(self, *inputs: Input, symbols: Sequence[str] = ("A",), fill: bool = False) -> None:
        self.manifest: Manifest = a_manifest(inputs=inputs or (reads(),))
        self.pipeline = Pipeline(self.manifest, "digest", publish_late=True, top=2, fill=fill)
        self.windows = Windows(HOUR, symbols, self.pipeline.bars_needed + 64)

    def take(self, come: Sequence[Bar], *, broken: Sequence[str] = (), origin: Origin = Origin.LIVE) -> Admission:
        arrivals: list[Arrival] = [an_arrival(bar, origin) for bar in come]
        admission = self.pipeline.prepare(self.windows, arrivals, {}, broken)
        for one in admission.batch.predicted:
            self.windows.publish(one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision)
        return admission


def said(batch: Batch) -> list[tuple[str, int, int, int]]:
    """Symbol, number, revision and bars held flat of every prediction."""
    return [
        (
            one.arrival.bar.symbol,
            one.arrival.bar.opened_at_ms // HOUR.ms - START,
            one.revision,
            one.filled,
        )
        for one in batch.predicted
    ]


def features(there: Sequence[Bar], rows: int = 4) -> Floats:
    return KNOWN.history(np.array([bar.row for bar in there]))[-rows:].astype(np.float32)


def test_while_a_bar_is_missing_its_symbol_says_nothing_and_all_of_it_once_it_comes():
    desk = Desk()
    desk.take(bars(1, NEEDED))
    gone_on = desk.take(bars(NEEDED + 2, NEEDED + 4), broken=["A"])
    assert said(gone_on.batch) == []
    healed = desk.take(bars(NEEDED + 1, NEEDED + 1), origin=Origin.BACKFILLED).batch
    assert said(healed) == [("A", NEEDED + number, 0, 0) for number in (1, 2, 3, 4)]
    whole = Desk().take(bars(1, NEEDED + 4)).batch
    assert healed.inputs["bars"].tobytes() == whole.inputs["bars"][1:].tobytes()


def test_a_window_is_held_flat_where_asked_and_said_again_as_revision_1_when_the_bar_comes():
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    gone_on = desk.take(bars(NEEDED + 2, NEEDED + 3), broken=["A"]).batch
    assert said(gone_on) == [("A", NEEDED + 2, 0, 1), ("A", NEEDED + 3, 0, 1)]
    held = bars(NEEDED, NEEDED)[0].close
    flat = Bar("A", 0, held, held, held, held, 0.0)
    expected = features([*bars(1, NEEDED), flat, *bars(NEEDED + 2, NEEDED + 3)])
    assert gone_on.inputs["bars"][1].tobytes() == expected.tobytes()
    healed = desk.take(bars(NEEDED + 1, NEEDED + 1), origin=Origin.BACKFILLED).batch
    assert said(healed) == [("A", NEEDED + 1, 0, 0), ("A", NEEDED + 2, 1, 0), ("A", NEEDED + 3, 1, 0)]
    whole = Desk().take(bars(1, NEEDED + 3)).batch
    assert healed.inputs["bars"].tobytes() == whole.inputs["bars"][1:].tobytes()


def test_the_message_says_how_many_bars_were_held_flat():
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    batch = desk.take(bars(NEEDED + 4, NEEDED + 4), broken=["A"]).batch
    outputs = {"return_1": np.zeros(1, np.float32), "attention": np.full((1, 4), 0.25, np.float32)}
    _, spoken = desk.pipeline.finish(batch, outputs, 0)
    assert [decode(words).context.filled for words in spoken.words] == [3]


def test_a_gap_and_its_bar_in_one_batch_give_both_revisions_once():
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    late_bar, newer = bars(NEEDED + 1, NEEDED + 1), bars(NEEDED + 2, NEEDED + 2)
    batch = desk.take([*newer, *late_bar], broken=["A"]).batch
    assert said(batch) == [("A", NEEDED + 2, 0, 1), ("A", NEEDED + 1, 0, 0), ("A", NEEDED + 2, 1, 0)]


def test_of_two_missing_bars_the_first_to_come_heals_only_what_it_makes_whole():
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    desk.take([*bars(NEEDED + 2, NEEDED + 2), *bars(NEEDED + 4, NEEDED + 4)], broken=["A"])
    first = desk.take(bars(NEEDED + 1, NEEDED + 1)).batch
    assert said(first) == [("A", NEEDED + 1, 0, 0), ("A", NEEDED + 2, 1, 0)]
    second = desk.take(bars(NEEDED + 3, NEEDED + 3)).batch
    assert said(second) == [("A", NEEDED + 3, 0, 0), ("A", NEEDED + 4, 1, 0)]


@pytest.mark.parametrize(("missing", "predicted"), [(MOST_FILLED, True), (MOST_FILLED + 1, False)])
def test_a_window_that_lacks_too_much_is_not_held_flat(missing: int, *, predicted: bool):
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    batch = desk.take(bars(NEEDED + 1 + missing, NEEDED + 1 + missing), broken=["A"]).batch
    assert bool(batch.predicted) is predicted


def test_a_young_symbol_is_not_held_flat_before_its_first_bar():
    desk = Desk(fill=True)
    assert said(desk.take(bars(1, NEEDED)).batch) == [("A", NEEDED, 0, 0)]


def test_an_expanding_window_grows_from_the_first_bar_then_rolls():
    desk = Desk(reads("expanding"))
    batch = desk.take(bars(1, NEEDED + 2)).batch
    assert said(batch) == [("A", number, 0, 0) for number in range(26, NEEDED + 3)]
    history = KNOWN.history(np.array([bar.row for bar in bars(1, NEEDED + 2)])).astype(np.float32)
    for row, number in enumerate(range(26, NEEDED + 3)):
        rows = min(number - 24, 4)
        assert batch.inputs["bars"][row, 4 - rows :].tobytes() == history[number - rows : number].tobytes()
        assert np.isnan(batch.inputs["bars"][row, : 4 - rows]).all()


def test_an_expanding_window_begins_again_after_a_gap_and_is_revised_when_the_gap_is_filled():
    desk = Desk(reads("expanding"))
    desk.take(bars(1, NEEDED))
    after = bars(NEEDED + 2, NEEDED + 28)
    gone_on = desk.take(after, broken=["A"]).batch
    assert said(gone_on) == [("A", NEEDED + 27, 0, 0), ("A", NEEDED + 28, 0, 0)]
    assert np.isnan(gone_on.inputs["bars"][0, :2]).all()
    healed = desk.take(bars(NEEDED + 1, NEEDED + 1)).batch
    assert sorted(said(healed))[-2:] == [("A", NEEDED + 27, 1, 0), ("A", NEEDED + 28, 1, 0)]
    whole = Desk(reads("expanding")).take(bars(1, NEEDED + 28)).batch
    assert {row[1]: row[2] for row in said(healed)} == {n: int(n > NEEDED + 26) for n in range(NEEDED + 1, NEEDED + 29)}
    by_number = {row[1]: values for row, values in zip(said(whole), whole.inputs["bars"], strict=True)}
    for row, values in zip(said(healed), healed.inputs["bars"], strict=True):
        assert values.tobytes() == by_number[row[1]].tobytes()


def test_a_market_is_read_up_to_the_bar_before_whichever_comes_first():
    own, market = bars(1, NEEDED + 3, "A"), bars(1, NEEDED + 3, "MARKET")
    together = [bar for pair in zip(own, market, strict=True) for bar in pair]
    orders = (together, [*market, *own], [*own, *market])
    made: list[dict[int, bytes]] = []
    for order in orders:
        desk = Desk(reads(), MARKET, symbols=("A", "MARKET"))
        assert desk.pipeline.bars_needed == NEEDED + 1
        found: dict[int, bytes] = {}
        for bar in order:
            batch = desk.take([bar]).batch
            for row, one in enumerate(said(batch)):
                if one[0] == "A":
                    assert one[1] not in found
                    found[one[1]] = b"".join(batch.inputs[name][row].tobytes() for name in ("bars", "market"))
        made.append(found)
    assert list(made[0]) == [NEEDED + 1, NEEDED + 2, NEEDED + 3]
    assert made[0] == made[1] == made[2]
    expected = features(own[: NEEDED + 2]).tobytes() + features(market[: NEEDED + 1]).tobytes()
    assert made[0][NEEDED + 2] == expected


def test_where_the_market_has_a_hole_nothing_is_said_until_it_is_filled():
    desk = Desk(reads(), MARKET, symbols=("A", "MARKET"), fill=True)
    desk.take([*bars(1, NEEDED, "MARKET"), *bars(NEEDED + 2, NEEDED + 2, "MARKET")], broken=["MARKET"])
    assert said(desk.take(bars(1, NEEDED + 3)).batch) == [("A", NEEDED + 1, 0, 0)]
    healed = desk.take(bars(NEEDED + 1, NEEDED + 1, "MARKET")).batch
    assert [one for one in said(healed) if one[0] == "A"] == [("A", NEEDED + 2, 0, 0), ("A", NEEDED + 3, 0, 0)]
    assert np.isfinite(healed.inputs["market"]).all()


def test_a_symbol_that_is_only_read_beside_others_is_not_predicted():
    pipeline = Pipeline(a_manifest(inputs=(reads(), MARKET)), "digest", publish_late=True, top=2)
    assert pipeline.markets == ("MARKET",)


def test_windows_are_the_same_whether_cut_alone_or_from_inputs_that_are_given_more():
    inputs = Inputs([reads("expanding")], HOUR)
    rows = np.array([[bar.row for bar in bars(1, NEEDED)]] * 2)
    rows[1, :1] = np.nan
    opened = np.full(2, (START + NEEDED) * HOUR.ms)
    made = inputs.make(rows, opened)["bars"]
    assert np.isnan(made[1, 0]).all()
    assert made[1, 1:].tobytes() == made[0, 1:].tobytes()


@st.composite
def garbage(draw: st.DrawFn) -> list[Bar]:
    """Bars of another symbol, or of nobody, that may be anything at all."""
    numbers = st.floats(width=64) | st.sampled_from([100.0, 101.0, 99.0])
    made = []
    for _ in range(draw(st.integers(0, 6))):
        at_ms = draw(st.integers(START - 200, START + NEEDED + 40)) * HOUR.ms + draw(st.sampled_from([0, 0, 0, 1]))
        values = [draw(numbers) for _ in range(5)]
        made.append(Bar(draw(st.sampled_from(["B", "B", "nobody"])), at_ms, *values, closed=draw(st.booleans())))
    return made


@settings(max_examples=60)
@given(noise=st.lists(garbage(), min_size=6, max_size=6), fill=st.booleans(), broken=st.booleans())
def test_no_bar_of_one_symbol_ever_changes_what_is_said_of_another(noise: list[list[Bar]], *, fill: bool, broken: bool):
    def lived(beside: list[list[Bar]]) -> list[tuple[tuple[str, int, int, int], bytes]]:
        desk = Desk(symbols=("A", "B"), fill=fill)
        found = []
        parts = [bars(1, 20), bars(21, 28), bars(29, 29), bars(31, 32), bars(30, 30), bars(33, 36)]
        for own, other in zip(parts, beside, strict=True):
            mixed = [bar for pair in zip(own, other, strict=False) for bar in pair]
            rest = [*own[len(other) :], *other[len(own) :]]
            batch = desk.take([*mixed, *rest], broken=["A", "B"] if broken else ["B"]).batch
            for row, one in enumerate(said(batch)):
                if one[0] == "A":
                    found.append((one, batch.inputs["bars"][row].tobytes()))
        return found

    assert lived(noise) == lived([[] for _ in noise])


def test_held_flat_bars_never_reach_the_windows_that_are_kept():
    desk = Desk(fill=True)
    desk.take(bars(1, NEEDED))
    desk.take(bars(NEEDED + 2, NEEDED + 2), broken=["A"])
    gap = (START + NEEDED + 1) * HOUR.ms
    assert desk.windows.opened_at_ms_SC[0, desk.windows.slot(gap)] != gap
    assert desk.windows.gather(np.array([0]), np.array([gap]), 1)[0][0, 0, CLOSE] != bars(NEEDED, NEEDED)[0].close


def test_each_prediction_says_how_many_rows_its_expanding_window_has():
    desk = Desk(reads("expanding"))
    batch = desk.take(bars(1, NEEDED + 2)).batch
    assert batch.reach.tolist() == [2, 3, 4, 4, 4]
    assert [part.reach.tolist() for part in batch.parts(2)] == [[2, 3], [4, 4], [4]]
    assert not len(Desk().take(bars(1, NEEDED + 2)).batch.reach)
