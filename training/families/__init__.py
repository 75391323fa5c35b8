"""The families of models. To add one: write its file and add its line to FAMILIES; the conformance tests cover it."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.errors import ConfigError
from core.outputs import Output
from training.families import hourly_lstm
from training.model import Model
from training.recipe import fit


class Family(msgspec.Struct, frozen=True):
    """A family: the type of its options, and how a model is made of (options, features, window length, outputs)."""

    options: type[msgspec.Struct]
    build: Callable[[Any, int, int, tuple[Output, ...]], Model]


FAMILIES: Final[dict[str, Family]] = {
    "hourly_lstm": Family(hourly_lstm.Options, hourly_lstm.HourlyLstm),
}


def build(name: str, options: Mapping[str, Any], features: int, length: int, outputs: tuple[Output, ...]) -> Model:
    """A model of the family, its weights drawn from torch's current seed.

    Raises: ConfigError: no such family, or an option it does not have.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1) or sorted(FAMILIES)
        raise ConfigError(f"no family is called {name!r}; there are: {', '.join(sorted(FAMILIES))}. try: {near[0]}")
    family = FAMILIES[name]
    return family.build(fit(family.options, options, f"model.options of {name}"), features, length, outputs)
