"""TOML into frozen, typed settings: unknown keys are refused and the nearest known key is named."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from core import described
from core.errors import ConfigError

Settings = TypeVar("Settings")

ENVIRONMENT: Final = "GAZE_"
"""GAZE_STORE__URL is store.url: two underscores, so that what Kubernetes puts there for a service is none of ours."""

_EXAMPLES: Final = {"StrType": '"..."', "IntType": "1", "FloatType": "1.0", "VarTupleType": '["..."]'}
_MISSING = re.compile(r"missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<path>[^`]*)`)?")


def parsed(text: str | bytes, where: str) -> dict[str, Any]:
    """The table that TOML tells; `where` names the text in errors. Raises: ConfigError: it is none."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} is not TOML: {error}; try: key = value, strings in quotes") from error


def decode(text: str | bytes, kind: type[Settings], where: str, overrides: Sequence[str] = ()) -> Settings:
    """Read TOML text into `kind`, a tree of frozen Structs that forbid unknown fields.

    `where` names the text in errors. `overrides` are "dotted.key=value", value in TOML; a bare word is a string,
    where one is expected a bare number too, and bare words with commas between are a list where that is.
    Raises: ConfigError: not TOML, a key unknown, missing or of another type.
    """
    table = parsed(text, where)
    for override in overrides:
        _override(table, override, kind)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explained(str(error), kind)}") from error


def refused(problem: str, kind: type) -> str:
    """What msgspec says against a value of `kind`, told with its dotted key, what that takes, and what to try."""
    what, _, at = problem.partition(" - at `$")
    path = [part.partition("[")[0] for part in at.rstrip("`").split(".") if part]
    missing = _MISSING.search(what)
    if missing:
        key = ".".join([*path, missing[1]])
        return f"{key} must be given; try: {missing[1]} = {_example(_fields(kind, path).get(missing[1]))}"
    field = _fields(kind, path[:-1]).get(path[-1]) if path else None
    said = what.replace("`", "")
    if field is not None and isinstance(field.type, msgspec.inspect.LiteralType):
        said += f", it takes {', '.join(map(str, field.type.values))}"
    return f"{'.'.join(path)}: {said[:1].lower()}{said[1:]}; try: {path[-1] if path else 'key'} = {_example(field)}"


def _example(field: Any) -> str:
    """A value that a key takes, as TOML."""
    if field is None:
        return "..."
    if field.default is not msgspec.NODEFAULT:
        return described.toml(field.default)
    return _EXAMPLES.get(type(field.type).__name__, "...")


def from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The override that each of our environment variables says: GAZE_HTTP__PORT=0 is "http.port=0"."""
    return {
        name: f"{name.removeprefix(ENVIRONMENT).replace('__', '.').lower()}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT) and "__" in name
    }


def dotted(text: str | bytes) -> list[str]:
    """The dotted keys that a TOML text sets. Raises: ConfigError: it is none."""

    def within(table: Mapping[str, Any], above: str) -> Iterator[str]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from within(value, f"{above}{name}.")
            else:
                yield f"{above}{name}"

    return list(within(parsed(text, "the text"), ""))


def _override(table: dict[str, Any], override: str, kind: type) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r} sets nothing; try: key=value, such as http.port=0")
    *sections, last = key.split(".")
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{override!r}: {section!r} is a value, not a section; try: {section}=VALUE")
        table = inner
    wanted = _fields(kind, sections).get(last)
    said = value_of(value, kind, key)
    worded = wanted is not None and isinstance(wanted.type, msgspec.inspect.StrType)
    table[last] = value if worded and not isinstance(said, str) else said


def value_of(text: str, kind: type, key: str) -> Any:
    """A value for a dotted key of `kind`, in TOML; a bare word is a string, bare words with commas between a list.

    A list only where the key takes one.
    """
    *sections, last = key.split(".")
    wanted = _fields(kind, sections).get(last)
    listed = wanted is not None and isinstance(wanted.type, msgspec.inspect.VarTupleType)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return [part.strip() for part in value.split(",") if part.strip()] if listed and isinstance(value, str) else value


def _explained(problem: str, kind: type) -> str:
    found = _UNKNOWN.search(problem)
    if found is None:
        return refused(problem, kind)
    path = [part for part in (found["path"] or "").split(".") if part]
    known = sorted(_fields(kind, path))
    near = difflib.get_close_matches(found["key"], known, n=1)
    hint = f"did you mean {near[0]!r}? try: {near[0]}" if near else f"known are: {', '.join(known)}; try: one of them"
    section = f" in [{'.'.join(path)}]" if path else ""
    return f"unknown key {found['key']!r}{section}; {hint}"


def _fields(kind: type, path: Sequence[str]) -> Mapping[str, Any]:
    info = msgspec.inspect.type_info(kind)
    for part in path:
        if not isinstance(info, msgspec.inspect.StructType):
            return {}
        info = next((field.type for field in info.fields if field.encode_name == part), msgspec.inspect.AnyType())
    return {field.encode_name: field for field in info.fields} if isinstance(info, msgspec.inspect.StructType) else {}
