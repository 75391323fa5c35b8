"""The command `gaze schema`."""

import typer

app = typer.Typer(no_args_is_help=True, help="The shape of what others read, as JSON Schema.")


@app.callback()
def schema() -> None:
    """The shape of what others read, as JSON Schema."""


@app.command()
def message() -> None:
    """Print the JSON Schema of a message, made from the types that write it.

    Example: gaze schema message > message.schema.json
    """
    import msgspec  # noqa: PLC0415 - a help text needs none of these

    from core import prediction  # noqa: PLC0415

    print(msgspec.json.format(msgspec.json.encode(prediction.schema()), indent=2).decode())
