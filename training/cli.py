"""The commands of training: `gaze train`, `gaze evaluate` and, from its own room, `gaze explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.explain import cli as explain

if TYPE_CHECKING:
    from rich.console import Console

    from training.evaluation import Evaluation

app = typer.Typer(no_args_is_help=True)
app.add_typer(explain.app)

Bars = Annotated[Path, typer.Option(help="Parquet file of bars.")]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or a built-in recipe by name: demo, bitcoin_hourly.")],
    bars: Bars,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a key: --set optimiser.epochs=5.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the recipe, such as cpu.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto, in place of the recipe's.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over the run that is there.")] = False,  # noqa: FBT002
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget a training that was cut off.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Train a model on bars and judge it beside baselines.

    A training that was cut off goes on where it was, to the same weights, when the same command is given again.

    Example: gaze train demo --bars bars.parquet --out runs/demo
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from training import recipe as recipes  # noqa: PLC0415
    from training import report, run  # noqa: PLC0415
    from training.job import Job  # noqa: PLC0415
    from training.progress import EpochBar  # noqa: PLC0415
    from training.unfinished import Unfinished  # noqa: PLC0415

    changes = [*(change or ()), *([f"optimiser.device={device}"] if device else [])]
    told = recipes.read(recipe, profile, changes)
    run.refuse_taken(out, replace=replace)
    job = Job(told, bars)
    unfinished = Unfinished(out, told, job.fingerprint)
    if fresh:
        unfinished.remove()
    console = Console(stderr=as_json)
    console.print(report.summary(job.model), report.parts(job.parts), sep="\n")
    if unfinished.read():
        console.print(f"going on with the training that was cut off, from {unfinished.path}", soft_wrap=True)
    with EpochBar(console, told.optimiser.epochs) as bar:
        trained = job.run(out, bar.watch, bar.ended)
    _tell(console, trained.evaluation, as_json=as_json)
    console.print(
        f"run written to {out} after {trained.facts.seconds:.0f} s, best epoch {trained.facts.best_epoch}",
        soft_wrap=True,
    )
    console.print(f"next: gaze export {out} --out bundles/{told.name}", highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as gaze train writes it.")],
    bars: Bars,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Judge a run on bars it was not trained on: those from its test part on.

    Example: gaze evaluate runs/demo --bars bars.parquet
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from training import job, run  # noqa: PLC0415

    _tell(Console(stderr=as_json), job.evaluate(run.load(run_folder), bars), as_json=as_json)


def _tell(console: "Console", evaluation: "Evaluation", *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 - as above

    from training import report  # noqa: PLC0415

    if as_json:
        print(msgspec.json.encode(evaluation).decode())
        return
    console.print(report.scores(evaluation))
    for sentence in report.verdicts(evaluation):
        console.print(sentence, highlight=False, soft_wrap=True)
