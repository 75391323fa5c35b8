"""The commands of training: `gaze train`, `gaze evaluate` and, from its own room, `gaze explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import UsageError
from training.explain import cli as explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from training.job import Job
    from training.judging.evaluation import Evaluation
    from training.many.sweep import Sweep, Tried
    from training.many.universes import Universes
    from training.recipe import Recipe
    from training.runs.run import Run

app = typer.Typer(no_args_is_help=True)
app.add_typer(explain.app)

_BUILT_IN = ", ".join(sorted(path.stem for path in (Path(__file__).parent / "recipes").glob("*.toml")))
Bars = Annotated[Path, typer.Option(help="Parquet file of bars.")]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help=f"A TOML file, or a built-in recipe: {_BUILT_IN}.")],
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
    _tell(console, trained.evaluation, as_json=as_json)
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
def ensemble(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of the members.")],
    bars: Bars,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    weights: Annotated[str, typer.Option(help="One for each run, with commas: 0.4,0.6. Or auto: tuned.")] = "auto",
    name: Annotated[str, typer.Option(help="What the ensemble is called.")] = "ensemble",
    replace: Annotated[bool, typer.Option("--replace", help="Write over the run that is there.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Make one run of several: each output the weighted mean of theirs, weights tuned on the validation part.

    Example: gaze ensemble runs/seeds/seed_0 runs/seeds/seed_1 --bars bars.parquet --out runs/ensemble
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from training.many import assembling  # noqa: PLC0415
    from training.runs import run  # noqa: PLC0415

    run.refuse_taken(out, replace=replace)
    console = Console(stderr=as_json)
    given = None if weights == "auto" else _numbers(weights)
    joined = assembling.assemble([run.load(folder) for folder in run_folders], bars, out, name, given)
    for member in joined.facts.members:
        console.print(f"{member.weight:.3f}  {member.run}  {member.family}, seed {member.seed}", highlight=False)
    _tell(console, joined.evaluation, as_json=as_json)
    console.print(f"run written to {out}", soft_wrap=True)
    console.print(f"next: gaze export {out} --out bundle", highlight=False, soft_wrap=True)


@app.command()
def sweep(
    recipe: Annotated[str, typer.Argument(help=f"A TOML file, or a built-in recipe: {_BUILT_IN}.")],
    space: Annotated[Path, typer.Option(help="TOML: keys of the recipe, and what to try for each.")],
    bars: Bars,
    out: Annotated[Path, typer.Option(help="The folder that keeps the trials and best.toml.")],
    trials: Annotated[int, typer.Option(help="How many in all, those of an earlier start among them.", min=1)] = 20,
    at_once: Annotated[
        int, typer.Option(metavar="K", help="Choose so many at a time; the trials hang on it.", min=1)
    ] = 1,
    on: Annotated[
        str, typer.Option(metavar="RAY", help="The trials chosen at a time at once: local, or an address.")
    ] = "",
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a key for all trials.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the recipe, such as cpu.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the trials as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Look for better values of a recipe's keys, by the validation loss; the final span is never looked at.

    Example: gaze sweep demo --space space.toml --bars bars.parquet --out sweeps/demo --trials 20
    """
    import msgspec  # noqa: PLC0415 - a help text needs none of these
    from rich.console import Console  # noqa: PLC0415

    from training.many.sweep import BEST, Sweep, Tried, read_space  # noqa: PLC0415
    from training.telling import report  # noqa: PLC0415

    console = Console(stderr=as_json)
    if on and at_once == 1:
        raise UsageError("one trial at a time is not spread over a cluster; try: --at-once 4, or without --on")
    made = Sweep(recipe, profile, change or [], read_space(space), bars, out, at_once)

    def ended(one: Tried) -> None:
        said = one.refused or f"{one.loss:.5f} in {one.seconds:.0f} s"
        console.print(f"trial {one.number:3d} of {trials}  {said}", highlight=False, markup=False)

    found = _swept(made, trials, ended, on)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    console.print(report.trials(found))
    console.print(f"next: gaze train {out / BEST} --bars {bars} --out RUN", highlight=False, soft_wrap=True)


def _swept(made: "Sweep", trials: int, ended: "Callable[[Tried], None]", on: str) -> "list[Tried]":
    """The trials, run here or on a cluster."""
    if not on:
        return made.trials(trials, ended)
    from training.many.cluster import Cluster  # noqa: PLC0415 - as above

    with Cluster(on) as cluster:
        return made.trials(trials, ended, cluster.attempt)


def _numbers(told: str) -> list[float]:
    try:
        return [float(one) for one in told.split(",")]
    except ValueError as error:
        raise UsageError(f"--weights {told} are no numbers; try: --weights 0.4,0.6, or auto") from error


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

    trained, console = run.load(run_folder), Console(stderr=as_json)
    evaluation = job.evaluate(trained, bars, slices.known(by or ()), records, cost_bps)
    _tell(console, evaluation, as_json=as_json)
    if not trained.recipe.split.fold:
        count = peeks.add(run_folder, "gaze evaluate", evaluation.bars_fingerprint)
        console.print(peeks.sentence(count), highlight=False, soft_wrap=True)


@app.command()
def compare(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN ...", help="Run folders, the first to compare with.")
    ],
    bars: Bars,
    out: Annotated[Path | None, typer.Option(help="A folder for report.txt, compare.json and pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Put runs side by side on the windows that all of them may be judged on.

    Every difference to the first run has a 95 % interval over the same draws; then it says in words which to take.
    Runs of other bars or with other labels are refused.

    Example: gaze compare runs/lstm runs/tcn --bars bars.parquet --out comparison
    """
    import msgspec  # noqa: PLC0415 - a help text needs none of these
    from rich.console import Console  # noqa: PLC0415

    from training.many import comparing  # noqa: PLC0415
    from training.runs import peeks, run  # noqa: PLC0415
    from training.telling import side_by_side  # noqa: PLC0415

    if out is not None:
        from training.explain import compared  # noqa: PLC0415 - it draws, which needs matplotlib

        compared.refuse_taken(out)
    console = Console(stderr=as_json)
    runs = [run.load(folder) for folder in run_folders]
    found = comparing.compare(runs, bars)
    tried = {one.recipe.digest for one in runs}
    for one in runs:
        peeks.add(one.folder, "gaze compare", found.bars_fingerprint, tuple(sorted(tried - {one.recipe.digest})))
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        console.print(side_by_side.runs(found), side_by_side.scores(found))
        for sentence in side_by_side.sentences(found):
            console.print(sentence, highlight=False, soft_wrap=True)
    if out is not None:
        histories = {one.name: run.history(folder) for one, folder in zip(found.runs, run_folders, strict=True)}
        compared.write(found, histories, out)
        console.print(f"written to {out}", highlight=False, soft_wrap=True)


def _tell(console: "Console", evaluation: "Evaluation", *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 - as above

    from training.telling import report  # noqa: PLC0415

    if as_json:
        print(msgspec.json.encode(evaluation).decode())
        return
    for sentence in report.leaking(evaluation):
        console.print(sentence, style="bold red", highlight=False, soft_wrap=True)
    console.print(report.scores(evaluation))
    if evaluation.parts:
        console.print(report.parts_apart(evaluation))
    if evaluation.trades:
        console.print(report.trading(evaluation))
    if (curves := report.calibration(evaluation)) is not None:
        console.print(curves)
    for sentence in (*report.verdicts(evaluation), *report.leaking(evaluation)):
        console.print(sentence, highlight=False, soft_wrap=True)
