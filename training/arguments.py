"""What several commands of training are given."""

from pathlib import Path
from typing import Annotated

import typer

_BUILT_IN = ", ".join(sorted(path.stem for path in (Path(__file__).parent / "recipes").glob("*.toml")))

RecipeName = Annotated[str, typer.Argument(help=f"A TOML file, or a built-in recipe: {_BUILT_IN}.")]
Bars = Annotated[Path, typer.Option(help="Parquet file of bars.")]
