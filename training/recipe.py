"""A recipe: everything that decides what a training gives, read from TOML, frozen and typed."""

import difflib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from core import settings
from core.errors import ConfigError
from training import tables

BUILT_IN: Final = Path(__file__).with_name("recipes")

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
DropShare = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Hour = Annotated[int, msgspec.Meta(ge=0, le=23)]
Precise = Literal["auto", "32", "bf16", "16"]


class External(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """External records of one name, joined to each bar by the time they became known: core.external.External.

    `reach`: "3d", say; how old a series' value may be, or how far an event may lie ahead or back and still be told.
    `delay_s`: so long after it became known a record counts.
    """

    name: str
    kind: Literal["series", "event"]
    reach: str
    delay_s: NotNegative = 0.0
    missing: float = 0.0


class Data(msgspec.Struct, frozen=True):
    """Which bars, and what is computed of them. No symbols means every symbol of the file but the market.

    `sessions`: bars follow each other where no symbol of the file has one between, as days do over a weekend; the week
    is carried on for ten years, by UTC, or by the time zone named instead of true, such as "America/New_York".
    `market`: a symbol of the file that models with a second input read beside every other; at a bar they know it up to
    `market_lag` bars before, so that the order in which bars arrive changes nothing; "breadth" is what all of the
    recipe's symbols do together. `scales`: longer intervals, such as "4h", of which the model reads `scale_length` bars
    each, joined from those of the file and only when whole, with `scale_features`, or `features`. `external`: what is
    read beside the bars from the file `records`. `normalise`: features get mean 0 and deviation 1 over the training
    part, inside the model.
    """

    interval: str
    features: str
    symbols: tuple[str, ...] = ()
    sessions: bool | str = False
    market: str = ""
    market_features: str = "market_11"
    market_lag: Annotated[int, msgspec.Meta(ge=0)] = 1
    scales: tuple[str, ...] = ()
    scale_length: Annotated[int, msgspec.Meta(ge=2)] = 16
    scale_features: str = ""
    records: str = ""
    external: tuple[External, ...] = ()
    normalise: bool = True


class Window(msgspec.Struct, frozen=True):
    """How many feature rows the model reads. Training and validation windows end at every `stride`-th bar.

    An expanding window begins at its symbol's first bar, or the first after a gap: `minimum` rows up to `length`, after
    which it rolls. The rows it lacks are NaN, oldest first.
    """

    length: Annotated[int, msgspec.Meta(ge=2)]
    kind: Literal["rolling", "expanding"] = "rolling"
    minimum: Annotated[int, msgspec.Meta(ge=2)] = 2
    stride: Count = 1

    @property
    def fewest(self) -> int:
        """How many rows a window has at least."""
        return self.length if self.kind == "rolling" else min(self.minimum, self.length)


class Label(msgspec.Struct, frozen=True):
    """What is to be foretold: one or more kinds of training.data.labels.LABELS, over each of the horizons, in bars.

    `dead_zone` is for "direction", `threshold` (0.1 is 10 %) for "winner", `edges` for "buckets", `levels` for
    "quantiles"; edges and dead zone are log returns.
    """

    kind: str | tuple[str, ...] = "return"
    horizons: tuple[Count, ...] = (1,)
    dead_zone: NotNegative = 0.0
    threshold: Positive = 0.1
    edges: tuple[float, ...] = (-0.02, 0.0, 0.02)
    levels: tuple[Share, ...] = (0.05, 0.5, 0.95)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds, also where there is one."""
        return (self.kind,) if isinstance(self.kind, str) else self.kind


class Split(msgspec.Struct, frozen=True):
    """Shares of the time span; the test part, the final span, is the rest. `embargo`: bars left out beside the purge.

    `purge`: bars left out so that two parts share none at all ("bars"), or so that only no label of one reaches into
    another ("labels"): for short histories, whose windows may then look back into the part before.

    `folds`: so many trainings walk forward over what lies before the final span, each judged on the stretch after its
    own; `training`: on all bars before ("expanding") or on as many as the first ("rolling"). `fold`: one of them alone,
    counted from 1. `shuffled`: windows are dealt by chance, as in papers that leak; for showing what that does.
    """

    train: Share = 0.7
    validation: Share = 0.15
    purge: Literal["bars", "labels"] = "bars"
    embargo: Annotated[int, msgspec.Meta(ge=0)] = 0
    folds: Annotated[int, msgspec.Meta(ge=0)] = 0
    fold: Annotated[int, msgspec.Meta(ge=0)] = 0
    training: Literal["expanding", "rolling"] = "expanding"
    shuffled: bool = False


class Model(msgspec.Struct, frozen=True):
    """A family of training.families.FAMILIES and its options."""

    family: str
    options: dict[str, Any] = {}


class Loss(msgspec.Struct, frozen=True):
    """How much each part of the loss counts. `weights`: of an output by its name or its kind, 1 where none is said.

    `classes`: "balanced" lets every class of an output count the same in total; probabilities then overstate rare ones.
    `samples`: "volatile" counts a sample of more than median volatility twice, "calm" each by one over its volatility,
    "unique" by how much of its label no other label shares. `entropy`: makes attention spikier. `supervision`: draws it
    towards bars that hold any of `events`: "volume" or "move", at least `burst` times the mean of the 24 bars before;
    "hours", those of the day in `hours`, UTC; or a dated event of data.external by its name. Both are added to the loss
    of training so many times, and not to that of validation.
    """

    weights: dict[str, NotNegative] = {}
    classes: Literal["even", "balanced"] = "even"
    samples: Literal["even", "volatile", "calm", "unique"] = "even"
    entropy: NotNegative = 0.0
    supervision: NotNegative = 0.0
    events: tuple[str, ...] = ("volume",)
    burst: Positive = 4.0
    hours: tuple[Hour, ...] = ()


class Schedule(msgspec.Struct, frozen=True):
    """How the learning rate changes: after `warmup` epochs of growth by a cosine to nothing, or on a plateau.

    On a plateau: times `factor` after `patience` epochs without a lower validation loss.
    """

    kind: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: Annotated[int, msgspec.Meta(ge=0)] = 0
    factor: Share = 0.5
    patience: Count = 5


class Optimiser(msgspec.Struct, frozen=True):
    """How the weights are found. `clip`: the largest norm of a gradient. `loss`: of outputs that are real numbers.

    `rates`: for parameters whose name begins so, the learning rate times this. `accumulate`: batches to one step.
    `device`: "auto" takes a GPU where there is one. `precision`: of what the network computes in training; "auto" is 32
    bits on a CPU and 16 on a GPU. `threads`: a second one gains a third on an idle machine and loses far more on a busy
    one; 0 lets torch choose.
    """

    kind: str = "adam"
    loss: str = "mse"
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    rates: dict[str, Positive] = {}
    batch: Count = 256
    accumulate: Count = 1
    epochs: Count = 20
    clip: Positive = 1.0
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Precise = "auto"
    threads: Annotated[int, msgspec.Meta(ge=0)] = 1


class Stopping(msgspec.Struct, frozen=True):
    """Stop after `patience` epochs whose validation loss was not lower than the best by `min_delta`."""

    patience: Count = 5
    min_delta: NotNegative = 1e-4


class Calibration(msgspec.Struct, frozen=True):
    """What is fitted on the validation part after the training.

    `method`: a map of probabilities that makes them mean what they say, see training.fitting.calibration.
    `coverage`: the shares of outcomes that bands around the outputs are to hold, see training.judging.conformal.
    """

    method: Literal["none", "temperature", "isotonic"] = "none"
    coverage: tuple[Share, ...] = (0.8, 0.9, 0.95)


class Evaluate(msgspec.Struct, frozen=True):
    """How the run is judged, beside its scores.

    `cost_bps`: for those who trade, what buying or selling costs, in basis points; 0 tells of no trading. `tries`: how
    many recipes were tried before this one was chosen, a sweep's trials among them: the deflated Sharpe ratio allows
    for the best of so many, or of those that `gaze compare` put beside it if they are more.
    """

    cost_bps: NotNegative = 0.0
    tries: Count = 1


class Export(msgspec.Struct, frozen=True):
    """How far a form of fewer bits may be from PyTorch, as a share of an output's largest value; else it is refused."""

    int8: Positive = 0.05
    fp16: Positive = 0.005


class Recipe(msgspec.Struct, frozen=True):
    """One training, whole. `profiles` are named sets of dotted keys, as --set would give them."""

    name: str
    data: Data
    window: Window
    model: Model
    seed: int = 0
    label: Label = Label()
    split: Split = Split()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    stopping: Stopping = Stopping()
    calibration: Calibration = Calibration()
    evaluate: Evaluate = Evaluate()
    export: Export = Export()
    profiles: dict[str, dict[str, Any]] = {}

    def toml(self) -> str:
        """The recipe as TOML, every key said."""
        return "\n".join(tables.lines(msgspec.to_builtins(self))) + "\n"

    @property
    def digest(self) -> str:
        """What tells this recipe from others: the beginning of the SHA-256 of its TOML."""
        return hashlib.sha256(self.toml().encode()).hexdigest()[:16]


def read(name: str, profile: str | None = None, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe from a path, or a built-in one by its bare name, then its profile, then `key=value` changes.

    Raises: ConfigError: no such recipe, not TOML, a key or a value that does not fit.
    """
    path = find(name)
    table = settings.parsed(path.read_bytes(), str(path))
    if profile is not None:
        profiles = table.get("profiles", {})
        if profile not in profiles:
            has = ", ".join(sorted(profiles)) or "none"
            raise ConfigError(f"{path} has no profile {profile!r}, it has: {has}. try: without --profile")
        for key, value in profiles[profile].items():
            tables.change(table, key, value)
    for change in changes:
        key, told, text = change.partition("=")
        if not told:
            raise ConfigError(f"--set {change!r} has no '='; try: --set optimiser.epochs=5")
        tables.change(table, key.strip(), settings.value_of(text.strip(), Recipe, key.strip()))
    return tables.fit(Recipe, table, str(path))


def find(name: str) -> Path:
    """The file of a recipe.

    Raises: ConfigError: neither a file nor a built-in recipe.
    """
    path = Path(name)
    if path.is_file():
        return path
    built_in = BUILT_IN / f"{name}.toml"
    if "/" not in name and built_in.is_file():
        return built_in
    names = sorted(recipe.stem for recipe in BUILT_IN.glob("*.toml"))
    near = difflib.get_close_matches(path.stem, names, n=1)
    raise ConfigError(f"no recipe at {name}; built in are {', '.join(names)}. try: {near[0] if near else names[0]}")
