"""The commands over many trainings: `gaze ensemble`, `gaze sweep` and `gaze compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import UsageError
from training.arguments import Bars, RecipeName

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.many.sweep import Sweep, Tried

app = typer.Typer()


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
    from training.telling.evaluated import tell  # noqa: PLC0415

    run.refuse_taken(out, replace=replace)
    console = Console(stderr=as_json)
    given = None if weights == "auto" else _numbers(weights)
    joined = assembling.assemble([run.load(folder) for folder in run_folders], bars, out, name, given)
    for member in joined.facts.members:
        console.print(f"{member.weight:.3f}  {member.run}  {member.family}, seed {member.seed}", highlight=False)
    tell(console, joined.evaluation, as_json=as_json)
    console.print(f"run written to {out}", soft_wrap=True)
    console.print(f"next: gaze export {out} --out bundle", highlight=False, soft_wrap=True)


@app.command()
def sweep(
    recipe: RecipeName,
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
