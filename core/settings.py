"""TOML into frozen, typed settings: unknown keys are refused and the nearest known key is named."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from core.errors import ConfigError

Settings = TypeVar("Settings")

_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<path>[^`]*)`)?")


def decode(text: str, kind: type[Settings], where: str, overrides: Sequence[str] = ()) -> Settings:
    """Read TOML text into `kind`, a tree of frozen Structs that forbid unknown fields.

    `where` names the text in errors. `overrides` are "dotted.key=value", value in TOML (a bare word is a string).
    Raises: ConfigError: not TOML, a key unknown, missing or of another type.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from error
    for override in overrides:
        _override(table, override)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explained(str(error), kind)}") from error


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r} sets nothing; expected key=value, such as window.length=48")
    *sections, last = key.split(".")
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{override!r}: {section!r} is a value, not a section")
        table = inner
    table[last] = _value(value)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explained(problem: str, kind: type) -> str:
    found = _UNKNOWN.search(problem)
    if found is None:
        return problem.replace("`$", "`")
    path = [part for part in (found["path"] or "").split(".") if part]
    known = sorted(_fields(kind, path))
    near = difflib.get_close_matches(found["key"], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
    section = f" in [{'.'.join(path)}]" if path else ""
    return f"unknown key {found['key']!r}{section}; {hint}"


def _fields(kind: type, path: Sequence[str]) -> Mapping[str, Any]:
    info = msgspec.inspect.type_info(kind)
    for part in path:
        if not isinstance(info, msgspec.inspect.StructType):
            return {}
        info = next((field.type for field in info.fields if field.encode_name == part), msgspec.inspect.AnyType())
    return {field.encode_name: field for field in info.fields} if isinstance(info, msgspec.inspect.StructType) else {}
