"""The commands of training: `gaze train`, `gaze evaluate`, and those of the rooms many and explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import UsageError
from training import many_cli
from training.arguments import Bars, RecipeName
from training.explain import cli as explain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from training.job import Job
    from training.many.universes import Universes
    from training.recipe import Recipe
    from training.runs.run import Run

app = typer.Typer(no_args_is_help=True)
app.add_typer(many_cli.app)
app.add_typer(explain.app)


@app.command()
def train(
    recipe: RecipeName,
    bars: Bars,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a key: --set optimiser.epochs=5.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the recipe, such as cpu.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto, in place of the recipe's.")] = None,
    folds: Annotated[int, typer.Option(help="Walk forward: so many trainings before the final span.", min=0)] = 0,
    seeds: Annotated[int, typer.Option(help="Train so many times, from as many seeds.", min=1)] = 1,
    universes: Annotated[
        Path | None, typer.Option(help="TOML: sets of symbols by name, a training of each.", metavar="FILE")
    ] = None,
    on: Annotated[str, typer.Option(metavar="RAY", help="All of them at once: local, or an address.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Write over the run that is there.")] = False,  # noqa: FBT002
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget a training that was cut off.")] = False,  # noqa: FBT002
    resume: Annotated[bool, typer.Option("--resume", help="Only go on with one that was cut off.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Train a model on bars and judge it beside baselines.

    Or several, by folds, seeds or universes, and tell how they spread.

    A training that was cut off goes on where it was, to the same weights, when the same command is given again.

    Example: gaze train demo --bars bars.parquet --out runs/demo
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from training import recipe as recipes  # noqa: PLC0415
    from training.fitting import together  # noqa: PLC0415
    from training.job import Job  # noqa: PLC0415
    from training.many import several  # noqa: PLC0415
    from training.runs import run, unfinished  # noqa: PLC0415
    from training.telling.evaluated import tell  # noqa: PLC0415

    given = {"optimiser.device": device, "split.folds": folds or None}
    changes = [*(change or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    told = recipes.read(recipe, profile, changes)
    console = Console(stderr=as_json)
    planned = several.plan(told, seeds, _universes(universes, bars) if universes else None)
    if resume:
        unfinished.refuse_none([out / name for name in planned] or [out], fresh=fresh)
    if planned:
        several.refuse_taken(out, replace=replace)
        _several(console, planned, bars, out, on, again=replace, fresh=fresh, as_json=as_json)
        return
    if on:
        raise UsageError(
            "one training alone is not spread over a cluster; try: --seeds 5, --folds 4, --universes, or without --on"
        )
    run.refuse_taken(out, replace=replace)
    with together.joined() as leads:
        job = Job(told, bars)
        if not leads:
            job.help(out)
            return
        trained = _one(console, job, out, fresh=fresh)
    tell(console, trained.evaluation, as_json=as_json)
    console.print(
        f"run written to {out} after {trained.facts.seconds:.0f} s, best epoch {trained.facts.best_epoch}",
        soft_wrap=True,
    )
    console.print(f"next: gaze export {out} --out bundle", highlight=False, soft_wrap=True)


def _universes(path: Path, bars: Path) -> "Universes":
    """As the file has them, of symbols that the bars have."""
    from core import barfile  # noqa: PLC0415 - as above
    from training.many.universes import read_universes  # noqa: PLC0415

    return read_universes(path, barfile.scan(bars).select("symbol").unique().collect()["symbol"].to_list())


def _one(console: "Console", job: "Job", out: Path, *, fresh: bool) -> "Run":
    """Train a job, telling all of it but its scores."""
    from training.runs.unfinished import Unfinished  # noqa: PLC0415
    from training.telling import report  # noqa: PLC0415 - as above
    from training.telling.progress import EpochBar  # noqa: PLC0415

    unfinished = Unfinished(out, job.recipe, job.fingerprint)
    if fresh:
        unfinished.remove()
    console.print(report.summary(job.model), report.parts(job.parts), sep="\n")
    if unfinished.read():
        console.print(f"going on with the training that was cut off, from {unfinished.path}", soft_wrap=True)
    with EpochBar(console, job.recipe.optimiser.epochs) as bar:
        return job.run(out, bar.watch, bar.ended)


def _several(
    console: "Console",
    planned: "dict[str, Recipe]",
    bars: Path,
    out: Path,
    on: str,
    *,
    again: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Train all that is planned, then tell how their scores spread."""
    import msgspec  # noqa: PLC0415 - as above

    from training.many import several  # noqa: PLC0415
    from training.telling import report  # noqa: PLC0415

    runs: dict[str, Run] = {}
    for name, trained in (
        _on_cluster(planned, bars, out, on, again=again)
        if on
        else several.train(planned, bars, out, lambda job, folder: _one(console, job, folder, fresh=fresh), again=again)
    ):
        runs[name] = trained
        console.print(f"{len(runs)} of {len(planned)}: {out / name}", highlight=False, soft_wrap=True)
    told = several.conclude(out, {name: runs[name] for name in planned})
    if as_json:
        print(msgspec.json.encode(told).decode())
        return
    console.print(report.spreads(told))
    if next(iter(planned.values())).split.fold:
        console.print("Each fold was judged on the stretch after its own; the final span was not looked at.")


def _on_cluster(
    planned: "dict[str, Recipe]", bars: Path, out: Path, on: str, *, again: bool
) -> "Iterator[tuple[str, Run]]":
    """What is there already, then the rest as the cluster gives it."""
    import shutil  # noqa: PLC0415 - as above

    from training.many import several  # noqa: PLC0415
    from training.many.cluster import Cluster  # noqa: PLC0415

    if again:
        for name in planned:
            shutil.rmtree(out / name, ignore_errors=True)
    there = several.trained(planned, bars, out)
    yield from there.items()
    with Cluster(on) as cluster:
        yield from cluster.train({name: one for name, one in planned.items() if name not in there}, bars, out)


@app.command()
def evaluate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as gaze train writes it.")],
    bars: Bars,
    by: Annotated[list[str] | None, typer.Option(help="Also apart, by: regime, symbol. May be given again.")] = None,
    records: Annotated[str, typer.Option(help="Other external records than those of the recipe.")] = "",
    cost_bps: Annotated[float | None, typer.Option(help="Trade on it, at this cost in basis points.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Judge a run on bars it was not trained on: those from its test part on.

    Every measure stands beside the baselines' with a 95 % interval, then what was said beside how often it came.

    Example: gaze evaluate runs/demo --bars bars.parquet
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from training import job  # noqa: PLC0415
    from training.judging import slices  # noqa: PLC0415
    from training.runs import peeks, run  # noqa: PLC0415
    from training.telling.evaluated import tell  # noqa: PLC0415

    trained, console = run.load(run_folder), Console(stderr=as_json)
    evaluation = job.evaluate(trained, bars, slices.known(by or ()), records, cost_bps)
    tell(console, evaluation, as_json=as_json)
    if not trained.recipe.split.fold:
        count = peeks.add(run_folder, "gaze evaluate", evaluation.bars_fingerprint)
        console.print(peeks.sentence(count), highlight=False, soft_wrap=True)
