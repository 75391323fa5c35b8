"""The commands `gaze config show` and `gaze config schema`."""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="See what the daemon's settings are, and who said so.")


@app.command()
def show(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The daemon's settings.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As gaze run would be told.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Show every setting as `gaze run` would hold it, and where each comes from. Passwords are left out.

    Example: GAZE_HTTP__PORT=9000 gaze config show gaze.toml
    """
    import json  # noqa: PLC0415 - a help text needs none of these

    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from core.described import toml  # noqa: PLC0415
    from daemon import config as configs  # noqa: PLC0415
    from daemon.telling.log import redact  # noqa: PLC0415

    changes = changes or []
    settings = list(configs.told(config, changes, os.environ))
    configs.read(config, changes, os.environ)  # as strict as gaze run
    if as_json:
        shown = {
            one.key: {"value": json.loads(redact(json.dumps(one.value))), "origin": one.origin} for one in settings
        }
        print(json.dumps(shown, indent=2))
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for one in settings:
        style = "dim" if one.origin == "default" else ""
        table.add_row(Text(one.key, style), Text(redact(toml(one.value)), style), Text(one.origin, style))
    Console().print(table)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings, for editors that check and complete TOML.

    Example: gaze config schema > gaze.schema.json, and `#:schema gaze.schema.json` as the first line of gaze.toml
    """
    import json  # noqa: PLC0415 - as above

    from core import described  # noqa: PLC0415
    from daemon.config import Config  # noqa: PLC0415

    print(json.dumps(described.schema(Config), indent=2))
