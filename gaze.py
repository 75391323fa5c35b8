"""The door: the command table, every command living in its own room, and `gaze.load` for notebooks.

The rooms' cli files import nothing heavy at their top, so that any --help answers at once and `gaze run` never loads
torch.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core import disk
from core.errors import GazeError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from core.barfile import BarFile
    from core.prediction import Message
    from training.explain.report import Report

_EXTRAS = {
    "torch": "train",
    "polars": "data",
    "onnx": "export",
    "onnxscript": "export",
    "onnxslim": "export",
    "onnxruntime": "cpu",
    "matplotlib": "explain",
    "plotly": "explain",
    "optuna": "sweep",
    "ray": "cluster",
    "captum": "explain",
}
_BENCHMARKS = {
    "crash": ("crash.kills", "The daemon is killed over and over.", "--kills 20"),
    "start": ("speed.start", "How soon windows are back after a restart.", "--symbols 1000"),
    "burst": ("speed.burst", "Every symbol closes at once.", "--symbols 1000"),
    "same-bits": ("same_bits.rows", "Live features held against training's, to the bit.", "--bars bars.parquet"),
    "same-windows": ("same_bits.windows", "Windows live, to the bit.", "winner_daily --bars bars.parquet"),
    "latency": ("speed.latency", "One bar at a time.", "--minutes 4"),
    "scale": ("speed.scale", "Bursts of more and more symbols.", "--symbols 10,1000"),
    "capacity": ("capacity.needs", "What 100,000 symbols need, by a model held to it.", "--bars 2"),
    "stages": ("speed.stages", "Where each microsecond of a burst goes.", "--symbols 1024"),
    "speed": ("speed.every", "All numbers of speed, into the pages that tell them.", "--only burst,stages"),
    "peers": ("peers.burst", "The burst in other pipelines.", "--symbols 1000"),
    "table": ("speed.table", "The README's table, from benchmarks/results.", "--write"),
    "train": ("training.epochs", "A training beside the obvious PyTorch loop and skorch.", "--epochs 1"),
    "results": ("scores.recipes", "Every recipe on real bars, into docs/results.md.", "--only winner_daily"),
    "decode": ("frames.decode", "Frames a second and core, beside json.", "--frames 20000"),
    "sockets": ("frames.sockets", "What a frame costs on its way in, by library.", "--frames 50000"),
    "drift": ("drift.alarms", "False alarms beside their promise, and planted drifts.", "--quarters 20"),
    "extras": ("install.extras", "What each extra installs, and whether it works.", "--only cpu"),
    "engines": ("engines.forms", "Every family in every form.", "--families tcn"),
    "carried": ("engines.carried", "The step at the close beside whole windows.", "--models hourly_lstm/48"),
    "gpu": ("engines.gpu", "Every way to run a model on a GPU.", "--family hourly_lstm"),
    "features": ("features.kernels", "The feature kernels beside numpy and polars.", "--symbols 1000"),
}
"""By name: the program in benchmarks, what it is, and words that it may be given."""
_MOST = 20_000
_ROOMS = ("core", "training", "export", "daemon")


def _check_rooms() -> str | None:
    """Why the import packages are not ours, or None: `daemon` is also the name of another package on PyPI."""
    import importlib.util  # noqa: PLC0415 - only needed here

    house = Path(__file__).resolve().parent
    for room in _ROOMS:
        found = importlib.util.find_spec(room)
        where = Path(found.origin).resolve().parent if found and found.origin else None
        if where != house / room:
            return (
                f"the package {room!r} should be at {house / room}, but Python finds {where}; another package "
                f"of that name is installed. try: a new virtual environment"
            )
    return None


def _bench() -> typer.Typer:
    """The benchmarks, each a program of its own that is given what stands behind its name."""
    bench = typer.Typer(name="bench", help="Measure Gaze on this machine; from a checkout.", no_args_is_help=True)
    for name, (_, told, words) in _BENCHMARKS.items():
        passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
        shown = f"{told} Example: gaze bench {name} {words}"
        bench.command(name, help=shown, add_help_option=False, context_settings=passed_on)(_run_benchmark)
    return bench


def _run_benchmark(context: typer.Context) -> None:
    import subprocess  # noqa: PLC0415 - only needed here

    house = Path(__file__).resolve().parent
    program, _, _ = _BENCHMARKS[str(context.info_name)]
    if not (house / "benchmarks").is_dir():
        raise UsageError(
            f"no benchmarks beside {house / 'gaze.py'}: they come with a checkout, not with the package. "
            "try: clone the repository and run gaze.py there"
        )
    command = [sys.executable, "-m", f"benchmarks.{program}", *context.args]
    sys.exit(subprocess.call(command, env=os.environ | {"PYTHONPATH": str(house)}))  # noqa: S603 - our own program


def table() -> typer.Typer:
    """Every command."""
    import daemon.cli  # noqa: PLC0415 - after _check_rooms
    import daemon.fetching.cli  # noqa: PLC0415
    import export.cli  # noqa: PLC0415
    import training.bars.cli  # noqa: PLC0415
    import training.cli  # noqa: PLC0415

    rooms = typer.Typer(
        name="gaze",
        help="Put an attention model on live market bars, and see where it looked.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    # Two rooms, one word: a file of bars is training's, fetching one is the daemon's.
    training.bars.cli.app.command("fetch")(daemon.fetching.cli.fetch)
    rooms.add_typer(training.bars.cli.app, name="bars")
    rooms.add_typer(_bench())
    for room in (training.cli, export.cli, daemon.cli):
        rooms.add_typer(room.app)
    rooms.callback()(_first)
    return rooms


def _version(asked: bool) -> None:  # noqa: FBT001 - typer gives it so
    if asked:
        from core import __version__  # noqa: PLC0415 - as above

        print(f"gaze {__version__}")
        raise typer.Exit


def _first(
    version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which Gaze this is, and end.")
    ] = False,
) -> None:
    pass


class Model:
    """A bundle, proven on this machine, for notebooks and scripts. Its predictions are bit for bit the daemon's."""

    def __init__(self, folder: Path, engine: str = "auto") -> None:
        from core import bundle  # noqa: PLC0415 - the command table is shown without it

        self.manifest = bundle.read(folder).manifest
        self.folder = folder
        self._engine = engine

    def predict(
        self, bars: "pl.DataFrame | Path | str", symbols: tuple[str, ...] = (), records: Path | str | None = None
    ) -> "pl.DataFrame":
        """What the daemon would have said at each bar with a whole window, one row each, in the order of time.

        `bars`: symbol, ts (opening time, UTC), open, high, low, close, volume, or a Parquet file of them. Columns of
        the answer: symbol, ts, id, revision, close, each output by its name, and of each attention A: A_entropy,
        A_concentration, its shares and A_weights. `symbols`: only these; else all of the bars. `records`: the file
        of external records, for a model that reads any.
        Raises: DataError: no symbol has enough unbroken bars. EngineError: this machine cannot run the bundle.
        """
        import polars as pl  # noqa: PLC0415 - as above

        from daemon.config import BundleConfig, Config, ExternalConfig, FeedConfig  # noqa: PLC0415
        from daemon.replaying.job import replayed  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            file = _as_file(bars, Path(folder))
            there = pl.scan_parquet(file).select(pl.col("symbol").unique().sort()).collect()["symbol"]
            feed = FeedConfig(symbols or tuple(there), "generic")
            model = BundleConfig(str(self.folder), self._engine)
            config = Config(model, feed, external=ExternalConfig(str(records or "")))
            replayed(config, file, Path(folder) / "predictions.parquet", "", None, None)
            return pl.read_parquet(Path(folder) / "predictions.parquet").sort("ts", "symbol", maintain_order=True)

    def explain(
        self, bars: "pl.DataFrame | Path | str", out: Path | str, records: Path | str | None = None
    ) -> "Report":
        """Write pictures, a page and reports of where the model looks to a folder, as `gaze explain`; give the report.

        `records`: other external records than those of training.

        Raises: DataError: the bars do not fit the bundle. UsageError: `out` holds something else.
        """
        from rich.console import Console  # noqa: PLC0415 - as above

        from training.explain import explaining, subject, write  # noqa: PLC0415
        from training.explain.progress import StageBar  # noqa: PLC0415

        out = Path(out)
        write.refuse_taken(out)
        with tempfile.TemporaryDirectory() as folder, StageBar(Console(stderr=True)) as bar:
            file = _as_file(bars, Path(folder))
            known = subject.read(self.folder).reading(str(records or ""))
            explained = explaining.explain(known, file, None, _MOST, None, bar.stage)
            write.write(explained, out, bar.stage)
        return explained.report


def load(folder: Path | str, engine: str = "auto") -> Model:
    """Open a bundle, as `gaze export` writes it. Raises: BundleError: it is damaged or not one."""
    return Model(Path(folder), engine)


def _as_file(bars: "pl.DataFrame | Path | str", folder: Path) -> Path:
    import polars as pl  # noqa: PLC0415 - as above

    if not isinstance(bars, pl.DataFrame):
        return Path(bars)
    bars.write_parquet(folder / "bars.parquet")
    return folder / "bars.parquet"


def _look_up(prediction: str, store: str, shard: str, config: Path | None) -> "tuple[Message, BarFile, Path | None]":
    """A prediction of a daemon by its id: explaining it is training's, finding it is the daemon's."""
    from daemon import config as configs  # noqa: PLC0415 - the command table is shown without it
    from daemon.replaying.lookup import look_up  # noqa: PLC0415

    bundle = None
    if config is not None:
        told = configs.read(config, environment=os.environ)
        store, bundle = store or told.store.url or told.store.directory, Path(told.bundle.path)
        shard = told.store.shard if shard == "0" else shard
    found = look_up(prediction, store, shard)
    return found.message, found.bars, bundle


def main() -> None:
    """Run the command line; problems a person can act on end in one line and their exit code."""
    strange = _check_rooms()
    if strange:
        print(f"gaze: {strange}", file=sys.stderr)
        sys.exit(78)
    try:
        table()(obj=_look_up)
    except GazeError as error:
        print(f"gaze: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        refused = disk.refusal(error)
        if refused is None:
            raise
        print(f"gaze: {refused}", file=sys.stderr)
        sys.exit(refused.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"gaze: this command needs {error.name}. try: pip install 'gazed[{extra}]'", file=sys.stderr)
        sys.exit(69)


if __name__ == "__main__":
    main()
