"""The command `gaze explain`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import UsageError

if TYPE_CHECKING:
    from core.barfile import BarFile
    from core.prediction import Message

app = typer.Typer()

LookUp = Callable[[str, str, str, Path | None], tuple["Message", "BarFile", Path | None]]
"""Given an id, a Redis URL or a store's folder, a shard and a daemon's settings: the message, the bars that the store
has, and the bundle that the settings name. This room knows no Redis, so `gaze` hands it in as the context's object."""


@app.command()
def explain(
    context: typer.Context,
    subjects: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN|BUNDLE]...", help="What is explained; more runs are held beside the first."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="The folder to write; an explanation that is there is replaced.")],
    bars: Annotated[
        Path | None, typer.Option(help="Parquet file of bars; those the model has not seen are explained.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="A single prediction: its symbol.")] = None,
    at: Annotated[str | None, typer.Option(help="A single prediction: when its last bar opened, UTC.")] = None,
    prediction: Annotated[str, typer.Option("--id", metavar="ID", help="A prediction that a daemon made.")] = "",
    store: Annotated[str, typer.Option(metavar="URL|DIR", help="Where it is: Redis, or the daemon's own store.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="TOML", help="The daemon's settings say where it is.")] = None,
    shard: Annotated[str, typer.Option(help="[store] shard of the daemon.")] = "0",
    records: Annotated[str, typer.Option(metavar="FILE", help="Other external records than those of training.")] = "",
    random: Annotated[str, typer.Option(metavar="FAMILY", help="Draw every picture from an untrained model.")] = "",
    output: Annotated[str | None, typer.Option(help="The output to explain; else the first.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many predictions, spread evenly.", min=1)] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Show where a model looks, for whom, and whether to believe it: pictures, a page, reports.

    Runs of other seeds after the first, or the folder of several trainings, tell how steady its look is. Ends with
    status 1 where a prediction looked up by its id is not the same when it is made again.

    Example: gaze explain runs/demo --bars bars.parquet --out explained --symbol BTCUSDT --at 2024-05-20T13:00Z
    """
    import torch  # noqa: PLC0415 - a help text needs none of these
    from rich.console import Console  # noqa: PLC0415

    from training.explain import asking, explaining, write  # noqa: PLC0415
    from training.explain.progress import StageBar  # noqa: PLC0415

    write.refuse_taken(out)
    console = Console(stderr=as_json)
    with StageBar(console, 7 if len(subjects or ()) > 1 else 6) as bar:
        watch = bar.stage("read")
        asking.refuse(subjects or [], symbol, at, prediction, random)
        if prediction:
            found = _look_up(context.obj, prediction, store, shard, config)
            question = asking.recorded(*found, subjects or [], bars)
        else:
            question = asking.of(subjects or [], bars, symbol, at, random)
        question = question.reading(records)
        watch(1.0)
        if question.subject.recipe.optimiser.threads:
            torch.set_num_threads(question.subject.recipe.optimiser.threads)
        told = explaining.explain(
            question.subject, question.bars, output, limit, question.asked, bar.stage, question.seeds
        )
        pictures = write.write(told, out, bar.stage)
    _tell(console, told.report, out, len(pictures), single=question.asked is not None, as_json=as_json)
    if told.report.recorded and not told.report.recorded.agrees:
        raise typer.Exit(1)


def _look_up(
    look_up: Any, prediction: str, store: str, shard: str, config: Path | None
) -> tuple["Message", "BarFile", Path | None]:
    if look_up is None:
        raise UsageError("predictions of a daemon are looked up by the whole command line; try: gaze explain --id ID")
    if not store and config is None:
        raise UsageError(
            "it is not said where the prediction is; try: --store redis://127.0.0.1:6379, or --config TOML"
        )
    known: LookUp = look_up
    return known(prediction, store, shard, config)


def _tell(console: Any, report: Any, out: Path, pictures: int, *, single: bool, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 - as above

    from training.explain import text  # noqa: PLC0415

    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    said = [text.case(report.cases[0], report)] if single else []
    said += [f"- {sentence}" for one in report.attentions for sentence in one.findings]
    said += [report.recorded.sentence] if report.recorded else []
    for line in said:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"next: open {out / 'index.html'} ({pictures} pictures)", highlight=False, soft_wrap=True)
