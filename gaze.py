"""The command table: every command of Gaze, each living in its own room.

The rooms' cli files import nothing heavy at their top, so that any --help answers at once and `gaze run` never loads
torch.
"""

import sys
from pathlib import Path

import typer

from core.errors import GazeError, UsageError

_EXTRAS = {
    "torch": "train",
    "polars": "data",
    "onnx": "export",
    "onnxscript": "export",
    "onnxslim": "export",
    "onnxruntime": "cpu",
    "matplotlib": "explain",
    "plotly": "explain",
}
_BENCHMARKS = {
    "crash": "The daemon is killed over and over. Example: gaze bench crash --kills 20",
    "burst": "Every symbol closes at once. Example: gaze bench burst --symbols 1000",
    "features": "The feature kernels beside numpy and polars. Example: gaze bench features --symbols 1000",
}
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
    for name, told in _BENCHMARKS.items():
        passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
        bench.command(name, help=told, add_help_option=False, context_settings=passed_on)(_run_benchmark)
    return bench


def _run_benchmark(context: typer.Context) -> None:
    import os  # noqa: PLC0415 - only needed here
    import subprocess  # noqa: PLC0415

    house = Path(__file__).resolve().parent
    if not (house / "benchmarks" / f"{context.info_name}.py").is_file():
        raise UsageError(
            f"no benchmarks beside {house / 'gaze.py'}: they come with a checkout, not with the package. "
            "try: clone the repository and run gaze.py there"
        )
    command = [sys.executable, "-m", f"benchmarks.{context.info_name}", *context.args]
    sys.exit(subprocess.call(command, env=os.environ | {"PYTHONPATH": str(house)}))  # noqa: S603 - our own program


def _table() -> typer.Typer:
    import daemon.cli  # noqa: PLC0415 - after _check_rooms
    import daemon.fetching.cli  # noqa: PLC0415
    import export.cli  # noqa: PLC0415
    import training.bars.cli  # noqa: PLC0415
    import training.cli  # noqa: PLC0415

    table = typer.Typer(
        name="gaze",
        help="Put an attention model on live market bars, and see where it looked.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    # Two rooms, one word: a file of bars is training's, fetching one is the daemon's.
    training.bars.cli.app.command("fetch")(daemon.fetching.cli.fetch)
    table.add_typer(training.bars.cli.app, name="bars")
    table.add_typer(_bench())
    for room in (training.cli, export.cli, daemon.cli):
        table.add_typer(room.app)
    return table


def main() -> None:
    """Run the command line; problems a person can act on end in one line and their exit code."""
    strange = _check_rooms()
    if strange:
        print(f"gaze: {strange}", file=sys.stderr)
        sys.exit(78)
    try:
        _table()()
    except GazeError as error:
        print(f"gaze: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"gaze: this command needs {error.name}. try: pip install 'gazed[{extra}]'", file=sys.stderr)
        sys.exit(69)


if __name__ == "__main__":
    main()
