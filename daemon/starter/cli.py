"""The command `gaze init`."""

from pathlib import Path
from typing import Annotated

import typer

from core.errors import UsageError


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it may be there, and empty.")],
    venue: Annotated[str, typer.Option(help="A real venue instead of the stand-in exchange: binance, kraken.")] = "",
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Its symbols, with commas between.")] = "",
) -> None:
    """Begin: write settings with every key explained, a recipe, a compose file and a README to follow.

    Example: gaze init first && cd first && cat README.md
    """
    from daemon.starter import project  # noqa: PLC0415 - a help text needs it not

    named = tuple(name.strip() for name in symbols.split(",") if name.strip())
    if bool(venue) != bool(named):
        raise UsageError("a venue and its symbols go together; try: --venue binance --symbols BTCUSDT,ETHUSDT")
    if venue:
        from daemon.feeds import feed  # noqa: PLC0415 - as above

        feed(venue)  # or it says which there are
    texts = project.contents(venue, named)
    project.write(folder, texts)
    print(f"{folder}: {', '.join(texts)}\nnext: cd {folder} && cat README.md")
