"""The reference pages that are made from the code: commands, recipe keys, the Python API.

`make docs` writes them anew (`python docs/generate.py [FOLDER]`); a test fails where one is not as the code says.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import typer.main
from typer.cli import get_docs_for_click

HOUSE: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOUSE))

import gaze  # noqa: E402 - found only now
from core import described  # noqa: E402
from training.families import FAMILIES  # noqa: E402
from training.recipe import Recipe  # noqa: E402

REFERENCE: Final = HOUSE / "docs" / "reference"


def pages() -> dict[str, str]:
    """Each page's name and text."""
    made = {"cli.md": _commands(), "recipe.md": _recipe(), "python.md": _python()}
    return {name: re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n" for name, lines in made.items()}


def _commands() -> Iterator[str]:
    root = typer.main.get_command(gaze.table())
    yield get_docs_for_click(obj=root, ctx=typer.Context(root), name="gaze", title="Commands")
    yield "## Exit status"
    yield ""
    yield "What is bad ends in one line that says what to do, and a status:"
    yield ""
    yield from _statuses()


def _statuses() -> Iterator[str]:
    from core import errors  # noqa: PLC0415 - only this table needs it

    yield "| status | after |"
    yield "|---|---|"
    yield "| 0 | All went well; of `gaze run`, it was told to stop and published what it had received. |"
    yield "| 1 | What was asked about is not so (`doctor`, `bars check --strict`, `explain --id`), or a bug |"
    yield "| 2 | A command, option or argument that there is not, or not so; the nearest that there is is named. |"
    told = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.GazeError)]
    kinds = [kind for kind in told if kind.exit_code != errors.GazeError.exit_code]
    for kind in sorted(kinds, key=lambda kind: (kind.exit_code, kind.__name__)):
        yield f"| {kind.exit_code} | {_line(kind.__doc__)} |"
    yield "| 130 | Ctrl-C. |"
    yield ""


def _recipe() -> Iterator[str]:
    yield "# Recipe keys"
    yield ""
    yield (
        "A recipe is a TOML file that decides everything a training gives. `gaze train NAME` takes a built-in one, "
        "`--set section.key=value` changes a key."
    )
    yield ""
    yield from _section("", Recipe)
    yield "## [model.options]"
    yield ""
    yield "Which there are depends on the family."
    for name, family in FAMILIES.items():
        yield ""
        yield f"### {name}"
        yield ""
        yield from _keys(family.options)


def _section(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    if name:
        yield f"## [{name}]"
        yield ""
    yield from _keys(kind)
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _section(f"{name}.{field.name}" if name else field.name, field.type)


def _keys(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield inspect.cleandoc(kind.__doc__ or "")
    yield ""
    properties = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    rows = [key for key in described.keys(kind) if not key.section]
    if not rows:
        return
    yield "| key | takes | default | |"
    yield "|---|---|---|---|"
    for key in rows:
        given = "must be given" if key.default is msgspec.NODEFAULT else f"`{described.toml(key.default)}`"
        yield f"| `{key.name}` | {_cell(_takes(properties[key.name]))} | {_cell(given)} | {_cell(_line(key.said))} |"
    yield ""


def _takes(told: dict[str, Any]) -> str:
    if "enum" in told:
        return ", ".join(f"`{value}`" for value in told["enum"])
    if "anyOf" in told:
        return " or ".join(_takes(one) for one in told["anyOf"])
    if told.get("type") == "array":
        return f"list of {_takes(told.get('items') or {})}"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {told[bound]}" for bound, word in bounds.items() if bound in told]
    return " ".join([str(told.get("type", "any")), *limits])


def _python() -> Iterator[str]:
    yield "# In Python"
    yield ""
    yield "For notebooks and scripts, in five lines:"
    yield ""
    yield "```python"
    yield "import gaze, polars"
    yield ""
    yield 'model = gaze.load("bundle")'
    yield 'told = model.predict(polars.read_parquet("bars.parquet"))'
    yield 'report = model.explain(polars.read_parquet("bars.parquet"), "explained")'
    yield "```"
    for thing in (gaze.load, gaze.Model, gaze.Model.predict, gaze.Model.explain):
        head = inspect.signature(thing)
        yield ""
        yield f"## gaze.{thing.__qualname__}"
        yield ""
        yield f"    {thing.__qualname__}{head}".replace("'", "").replace("pathlib._local.", "").replace("pathlib.", "")
        yield ""
        yield inspect.cleandoc(thing.__doc__ or "")


def _line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REFERENCE
    for page, text in pages().items():
        (folder / page).write_text(text)
