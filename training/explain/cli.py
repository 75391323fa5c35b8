"""The command `gaze explain`."""

from pathlib import Path
from typing import Annotated

import typer

from core.errors import UsageError

app = typer.Typer()


@app.command()
def explain(
    subject: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run or a bundle folder.")],
    bars: Annotated[Path, typer.Option(help="Parquet file of bars; those the model has not seen are explained.")],
    out: Annotated[Path, typer.Option(help="The folder to write; an explanation that is there is replaced.")],
    *,
    symbol: Annotated[str | None, typer.Option(help="A single prediction: its symbol.")] = None,
    at: Annotated[str | None, typer.Option(help="A single prediction: when its last bar opened, UTC.")] = None,
    output: Annotated[str | None, typer.Option(help="The output to explain; else the first.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many predictions, spread evenly.", min=1)] = 20_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Show where a model looks, for whom, and whether to believe it: pictures, a page, reports.

    Example: gaze explain runs/demo --bars bars.parquet --out explained --symbol BTCUSDT --at 2024-05-20T13:00Z
    """
    import msgspec  # noqa: PLC0415 - a help text needs none of these
    import torch  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    from training.explain import cases, explaining, text, write  # noqa: PLC0415
    from training.explain import subject as subjects  # noqa: PLC0415
    from training.explain.progress import StageBar  # noqa: PLC0415

    if (symbol is None) != (at is None):
        raise UsageError("a single prediction needs both its symbol and its time; try: --symbol BTCUSDT --at TIME")
    asked = explaining.Asked(symbol, cases.parse_time(at)) if symbol is not None and at is not None else None
    write.refuse_taken(out)
    console = Console(stderr=as_json)
    explained_one = subjects.read(subject)
    if explained_one.recipe.optimiser.threads:
        torch.set_num_threads(explained_one.recipe.optimiser.threads)
    with StageBar(console) as bar:
        explained = explaining.explain(explained_one, bars, output, limit, asked, bar.stage)
        write.write(explained, out, bar.stage)
    if as_json:
        print(msgspec.json.encode(explained.report).decode())
        return
    if asked:
        console.print(text.case(explained.report.cases[0], explained.report), highlight=False, soft_wrap=True)
    for one in explained.report.attentions:
        for sentence in one.findings:
            console.print(f"- {sentence}", highlight=False, soft_wrap=True)
    console.print(f"next: open {out / 'index.html'}", highlight=False, soft_wrap=True)
