"""TOML tables as typed structs, and back: what a recipe and the options of a family are read with."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from core import settings
from core.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)


def fit(kind: type[S], table: Mapping[str, Any], where: str) -> S:
    """A table as a typed struct; its keys and values are checked.

    Raises: ConfigError: an unknown key, with the nearest known one; a key that is missing; a value of another type.
    """
    _refuse_unknown(kind, table, where, "")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {settings.refused(str(error), kind)}") from error


def _refuse_unknown(kind: type[msgspec.Struct], table: Mapping[str, Any], where: str, prefix: str) -> None:
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"{prefix}{near[0]}" if near else f"one of {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: {prefix}{key} is not a known key. try: {hint}")
        inner = known[key]
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _refuse_unknown(inner, value, where, f"{prefix}{key}.")


def change(table: dict[str, Any], dotted: str, value: object) -> None:
    """Set a dotted key.

    Raises: ConfigError: what should be a section is a value.
    """
    *sections, key = dotted.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {dotted}: {section} is not a section; try: --set optimiser.epochs=5")
    table[key] = value


def lines(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A table as lines of TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    told = [f"{_key(key)} = {_literal(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{_key(key)}"
            told += ["", f"[{name}]", *lines(value, f"{name}.")]
    return told


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    return key if bare else _literal(key)


def _literal(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_literal(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    # JSON's strings, numbers and booleans are TOML's too, but for one character that TOML wants escaped.
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
