"""A bundle: the folder that carries a model from training to the daemon. Data with digests, never pickle.

    NAME/VERSION/manifest.json    what it is; the sha256 of every other file
                 model.onnx       normalisation inside, attention as named outputs, dynamic batch
                 model.*          other forms of it: docs/reference/bundle.md
                 golden.npz       some bars, their features, and the outputs that every engine must reproduce
                 reference.npz    how attention looked on unseen bars: what drift is measured against

This file, barfile.py and recordfile.py are the only ones in core that touch a disk.
"""

import hashlib
import io
import shutil
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from core.bands import Margin
from core.bars import Interval
from core.errors import UNREADABLE, BundleError, ConfigError
from core.external import External
from core.outputs import Attention, Output
from core.sessions import Sessions, Stretch

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"
GOLDEN: Final = "golden.npz"
REFERENCE: Final = "reference.npz"


class Window(msgspec.Struct, frozen=True):
    """How many feature rows the model reads: always `length`, or from `minimum` up to `length` where it expands.

    An expanding window begins at its symbol's first bar, or the first after a gap; the rows it lacks are NaN, oldest
    first. Once it is full it rolls.
    """

    kind: Literal["rolling", "expanding"]
    length: int
    minimum: int


class Input(msgspec.Struct, frozen=True):
    """One input of the graph: (batch, window, features) float32.

    A market's bars are those of `symbol` up to `lag` bars before the one predicted, whose own symbol may come first.
    """

    name: str
    source: Literal["symbol", "market"]
    features: tuple[str, ...]
    features_digest: str
    lookback: int
    window: Window
    symbol: str = ""
    lag: int = 0
    members: tuple[str, ...] = ()
    """Of a market that is no symbol but breadth over these."""
    external: tuple[External, ...] = ()
    """Joined to every bar by the time they became known: two of `features` each, behind those of the bars."""
    interval: str = ""
    """Of its bars where they are longer than the bundle's: joined of `parts` of them each, and only when whole."""
    parts: int = 1

    @property
    def own_features(self) -> tuple[str, ...]:
        """The features of the bars."""
        return self.features[: len(self.features) - 2 * len(self.external)]

    @property
    def bars_needed(self) -> int:
        """Bars of a full window, and what its first row looks back on."""
        return self._joined(self.window.length + self.lookback - 1)

    @property
    def fewest_bars(self) -> int:
        """Bars without which nothing is predicted."""
        rows = self.window.minimum if self.window.kind == "expanding" else self.window.length
        return self._joined(rows + self.lookback - 1)

    def _joined(self, bars: int) -> int:
        """Bars of the bundle's interval that hold so many of its own, wherever between two of these they end."""
        return bars * self.parts + self.parts - 1

    def fits(self, shape: Sequence[object]) -> bool:
        """Whether a graph's input of this shape takes any number of rows of (window, features).

        Exporters freeze an axis without a word; a dynamic one is a name or None, a frozen one an integer.
        """
        return len(shape) == 3 and not isinstance(shape[0], int) and tuple(shape[1:]) == self.row  # noqa: PLR2004

    @property
    def row(self) -> tuple[int, int]:
        """The shape of one row of a batch: (window, features)."""
        return (self.window.length, len(self.features))


class Score(msgspec.Struct, frozen=True):
    """One measure of one predictor on the test span, with a 95 % block-bootstrap interval."""

    output: str
    measure: str
    predictor: str
    value: float
    low: float
    high: float


class Artefact(msgspec.Struct, frozen=True):
    """One form of the model and how closely it reproduces its golden outputs.

    `tolerance`, `measured` and `cost` are largest differences as shares of an output's largest golden value.
    """

    kind: str
    files: tuple[str, ...]
    tolerance: float
    measured: dict[str, float]
    """Of each output, where it was made; empty where it could not be run there."""
    golden: str = "output."
    """Prefix of the arrays of golden.npz that it must give: what PyTorch said, or what a lossy form said itself."""
    cost: dict[str, float] = {}
    """How far a lossy form is from PyTorch."""
    same_bits: bool = False
    """Where it was made it gave the very bits of model.onnx, in batches of any size."""
    scores: tuple[Score, ...] = ()
    """A lossy form's own, predictor "int8", and PyTorch's, "model", on the same windows; empty without bars."""

    @property
    def file(self) -> str:
        """The first of its files, and for most the only one."""
        return self.files[0]


class Training(msgspec.Struct, frozen=True):
    """What the model was trained on: enough to know it again."""

    bars_fingerprint: str
    symbols: tuple[str, ...]
    spans: dict[str, tuple[int, int]]
    """Of "train", "validation" and "test": the opening times of the first and the last bar, in milliseconds."""
    rows: dict[str, int]
    external_fingerprint: str = ""
    """Of the external records, where there are any."""
    sessions: tuple[Stretch, ...] = ()
    """When the venue's bars open, also years ahead; empty: always."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself."""

    name: str
    version: str
    family: str
    interval: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    attentions: tuple[Attention, ...]
    artefacts: tuple[Artefact, ...]
    training: Training
    scores: tuple[Score, ...]
    recipe: dict[str, Any]
    commit: str
    created_at: str
    margins: tuple[Margin, ...] = ()
    """What makes the bands of a message, learned on the validation span."""
    calibration: dict[str, str] = {}
    """Of each output that was calibrated, how, in words; the graph says it calibrated."""
    not_streaming: str = ""
    """Why there are no streaming graphs, where there are none."""
    not_carried: str = ""
    """Why the states of a window are not carried on to the one a bar longer, where they are not."""
    files: dict[str, str] = {}
    schema: int = SCHEMA

    @property
    def grid(self) -> Interval:
        """Which bar follows which: by the clock, or over the venue's nights, weekends and holidays."""
        interval = Interval.parse(self.interval)
        return Sessions.of(interval, self.training.sessions) if self.training.sessions else interval

    @property
    def graph_outputs(self) -> tuple[str, ...]:
        """What the graph gives, by name: the outputs, then the attentions."""
        return (*(one.name for one in self.outputs), *(one.name for one in self.attentions))

    @property
    def looks(self) -> tuple[Attention, ...]:
        """The attentions that are weights over steps: all but gates, which look nowhere."""
        return tuple(one for one in self.attentions if not one.gates)

    @property
    def gates(self) -> tuple[Attention, ...]:
        """Those that tell how open gates are."""
        return tuple(one for one in self.attentions if one.gates)

    def artefact(self, kind: str) -> Artefact:
        """The artefact of this kind.

        Raises: BundleError: the bundle has none.
        """
        for artefact in self.artefacts:
            if artefact.kind == kind:
                return artefact
        has = ", ".join(artefact.kind for artefact in self.artefacts)
        raise BundleError(f"bundle {self.name} has no {kind} model, only {has}; try: gaze export RUN --to {kind}")


class Bundle(msgspec.Struct, frozen=True):
    """A verified bundle on disk. `digest`: the first 16 hex digits of the manifest's sha256, naming all of it."""

    folder: Path
    manifest: Manifest
    digest: str

    def closed_on(self, days: Collection[str]) -> "Bundle":
        """The same, where its venue is closed on these days too, told as UTC dates.

        Raises: ConfigError: no date, or its venue never closes.
        """
        if not days:
            return self
        training, grid = self.manifest.training, self.manifest.grid
        if not isinstance(grid, Sessions):
            raise ConfigError(f"bundle {self.manifest.name} knows no sessions to leave out; try: data.sessions=true")
        training = msgspec.structs.replace(training, sessions=grid.without(days).stretches)
        return msgspec.structs.replace(self, manifest=msgspec.structs.replace(self.manifest, training=training))

    def path(self, file: str) -> Path:
        """Where one of its files lies."""
        return self.folder / file

    def arrays(self, file: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of golden.npz or reference.npz.

        Raises: BundleError: the file holds no plain arrays.
        """
        try:
            with np.load(io.BytesIO(self.path(file).read_bytes()), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{self.folder / file} holds no arrays ({error}); try: gaze export again") from error


def write(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle whole or not at all: into a folder beside, then moved into place over the bundle that was there.

    Raises: BundleError: something else is at this place, or the files are not those the manifest speaks of.
    """
    folder = folder.resolve()
    refuse_taken(folder)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = msgspec.structs.replace(manifest, files=digests)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        for name, content in files.items():
            (beside / name).write_bytes(content)
        (beside / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        read(beside)
        _move(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return read(folder)


def refuse_taken(folder: Path) -> None:
    """Refuse to write a bundle over anything but a bundle.

    Raises: BundleError: the place holds something else, or a bundle that is damaged.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read(folder)
    except BundleError as error:
        raise BundleError(f"{folder} is there and is not a whole bundle; try: another --out, or remove it") from error


def _move(beside: Path, folder: Path) -> None:
    if not folder.exists():
        beside.rename(folder)
        return
    replaced = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    folder.rename(replaced)
    beside.rename(folder)
    shutil.rmtree(replaced)


def read(folder: Path) -> Bundle:
    """Read a bundle and verify every digest.

    Raises: BundleError: no bundle, another schema, a file missing, changed or added.
    """
    path = folder / MANIFEST
    if not path.is_file():
        what = f"is not a bundle: it has no {MANIFEST}" if folder.is_dir() else "is no bundle: no such folder"
        is_run = (folder / "run.json").is_file()
        do = f"gaze export {folder} --out bundle" if is_run else f"gaze export RUN --out {folder}"
        raise BundleError(f"{folder} {what}. try: {do}")
    raw = path.read_bytes()
    try:
        schema = msgspec.json.decode(raw, type=dict[str, Any]).get("schema")
    except msgspec.ValidationError as error:
        raise BundleError(f"{path} is no manifest ({error}); try: gaze export again") from error
    except UNREADABLE as error:
        raise BundleError(f"{path} is not JSON ({error}); try: gaze export again") from error
    if schema != SCHEMA:
        older = isinstance(schema, int) and schema < SCHEMA
        do = "export it again with this gaze" if older else "use a newer gaze"
        raise BundleError(f"{path} has schema {schema!r}, this gaze reads {SCHEMA}; try: {do}")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{path} does not fit its schema: {error}; try: gaze export again") from error
    _verify(folder, manifest)
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest()[:16])


def _verify(folder: Path, manifest: Manifest) -> None:
    there = {path.name for path in folder.iterdir() if path.is_file()} - {MANIFEST}
    for name in (*(file for artefact in manifest.artefacts for file in artefact.files), GOLDEN, REFERENCE):
        if name not in manifest.files:
            raise BundleError(f"the manifest of {folder} has no digest of {name}; try: gaze export again")
    for name, digest in manifest.files.items():
        if name not in there:
            raise BundleError(f"{folder} lacks {name}, which its manifest lists; try: copy the bundle again")
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != digest:
            raise BundleError(
                f"{folder / name} was changed: its sha256 is {found[:12]}..., the manifest says {digest[:12]}...; "
                "try: copy the bundle again"
            )
    added = sorted({path.name for path in folder.iterdir()} - manifest.files.keys() - {MANIFEST})
    if added:
        raise BundleError(f"{folder} holds files its manifest does not list: {', '.join(added)}; try: remove them")
