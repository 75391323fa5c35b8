"""What report.json holds: everything the pictures, the page and the text are made from."""

import msgspec

from core.bundle import Score
from training.explain.cases import Case, Importance
from training.explain.derived import Recorded
from training.explain.estimate import Estimate
from training.explain.inside import Inside
from training.explain.reliability import Reliability
from training.explain.said import Said
from training.explain.stability import Stability
from training.explain.together import Together
from training.explain.truth import Truth
from training.fitting.history import Epoch


class Bucket(msgspec.Struct, frozen=True):
    """A stretch of the window, from and to so many bars ago: its share of the weight, and that over its even share."""

    name: str
    first_bars_ago: int
    last_bars_ago: int
    even_share: float
    share: Estimate
    lift: Estimate


class Group(msgspec.Struct, frozen=True):
    """How the predictions of one kind look."""

    by: str
    name: str
    predictions: int
    entropy: Estimate
    concentration_factor: Estimate
    bars_ago: Estimate


class Contrast(msgspec.Struct, frozen=True):
    """One kind of predictions less another, in one statistic."""

    one: str
    other: str
    statistic: str
    difference: Estimate


class Head(msgspec.Struct, frozen=True):
    """One head, or one layer: how even it looks, where its mean weight is greatest, how far it is from the others."""

    number: int
    entropy: float
    sparsity: float
    peak_bars_ago: int
    specialisation: float
    mean_weights: tuple[float, ...]


class AttentionReport(msgspec.Struct, frozen=True):
    """One attention over all predictions, its mean over heads and layers where it has them.

    `lowest_entropy`: what its scores allow; 0 where they have no bound.
    """

    name: str
    axes: tuple[str, ...]
    bound: float
    lowest_entropy: float
    statistics: dict[str, Estimate]
    buckets: tuple[Bucket, ...]
    patterns: dict[str, float]
    top_bars_ago: tuple[int, ...]
    mean_weights: tuple[float, ...]
    even_weights: tuple[float, ...]
    features: tuple[Importance, ...]
    around: dict[str, tuple[Estimate, ...]]
    groups: tuple[Group, ...]
    contrasts: tuple[Contrast, ...]
    heads: tuple[Head, ...]
    head_redundancy: tuple[tuple[float, ...], ...]
    layers: tuple[Head, ...]
    kept_between_layers: tuple[float, ...]
    reliability: Reliability
    truth: Truth | None
    agreements: dict[str, Estimate] = {}
    """By method of attribution, the mean rank correlation with attention."""
    together: Together | None = None
    """Two features that meet where it looks."""
    stability: Stability | None = None
    """Beside runs from other seeds, where some were given."""
    findings: tuple[str, ...] = ()


class InputReport(msgspec.Struct, frozen=True):
    """What the model reads. `symbol`: of a market's; else each prediction's own."""

    name: str
    symbol: str
    window: int
    features: tuple[str, ...]


class GateReport(msgspec.Struct, frozen=True):
    """Gates: how open they are on average, and the gates that vary most."""

    name: str
    axes: tuple[str, ...]
    open: float
    most_variable: tuple[int, ...]


class Report(msgspec.Struct, frozen=True):
    """All of it."""

    subject: str
    kind: str
    family: str
    digest: str
    output: str
    bars_fingerprint: str
    interval: str
    window: int
    inputs: tuple[InputReport, ...]
    predictions: int
    symbols: int
    span: tuple[str, str]
    blocks: int
    right: Estimate
    counts: dict[str, int]
    scores: tuple[Score, ...]
    history: tuple[Epoch, ...]
    methods: tuple[str, ...]
    attentions: tuple[AttentionReport, ...]
    outputs: tuple[Said, ...]
    gates: tuple[GateReport, ...]
    cases: tuple[Case, ...]
    inside: tuple[Inside, ...] = ()
    """Attention inside the model that it does not tell, of a run."""
    recorded: Recorded | None = None
    """What a daemon had said of the prediction that was asked for, where its id was given."""
    pictures: tuple[str, ...] = ()
    """Where each lies in the folder."""
    schema: int = 2

    @property
    def mark(self) -> str:
        """What every picture must say of a model that has learned nothing."""
        return "UNTRAINED" if self.kind == "untrained" else ""

    @property
    def reads(self) -> str:
        """What the model reads, in words."""
        beside = [f", beside {len(one.features)} of {one.symbol or one.name}" for one in self.inputs[1:]]
        return (
            f"window of {self.window} bars of {self.interval}, {len(self.inputs[0].features)} features{''.join(beside)}"
        )
