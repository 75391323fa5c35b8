"""What settings say of themselves: each key's sentence, kind and default, as a commented TOML and as a JSON Schema."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_WIDTH: Final = 100


class Key(msgspec.Struct, frozen=True):
    """One setting. `said`: what stands below it in its class. `default`: NODEFAULT where one must be given."""

    section: str
    name: str
    said: str
    default: Any

    @property
    def dotted(self) -> str:
        """The name with its section before it."""
        return f"{self.section}.{self.name}" if self.section else self.name


def keys(kind: type[msgspec.Struct], section: str = "") -> Iterator[Key]:
    """Every key of a tree of Structs, section by section, in the order in which they are written."""
    said = _sentences(kind)
    deeper = []
    for field in msgspec.structs.fields(kind):
        inner = _struct(field.type)
        if inner:
            deeper.append((inner, f"{section}.{field.encode_name}" if section else field.encode_name))
            continue
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Key(section, field.encode_name, said.get(field.name, ""), default)
    for inner, name in deeper:
        yield from keys(inner, name)


def commented(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> str:
    """A TOML that sets what is `given`, by dotted key; every other key stands as a comment with its default."""
    heads = {name: inspect.cleandoc(struct.__doc__ or "") for name, struct in _sections(kind)}
    lines: list[str] = []
    section = ""
    for key in keys(kind):
        if key.section != section:
            section = key.section
            lines += ["", *_comment(heads[section]), f"[{section}]"]
        lines += _comment(key.said)
        value = given.get(key.dotted, key.default)
        mark = "" if key.dotted in given else "# "
        lines.append(f"{mark}{key.name} = {toml(value)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of settings with every sentence in it, for editors that complete TOML."""
    told: dict[str, Any] = msgspec.json.schema(kind)
    for struct in (kind, *(inner for _, inner in _sections(kind))):
        part = told["$defs"][struct.__name__]
        for name, said in _sentences(struct).items():
            part["properties"][name]["description"] = _one_line(said)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | told


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, msgspec.Struct):
        return toml(msgspec.to_builtins(value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(inner)}" for name, inner in value.items()) + "}"
    return '""' if value is None or value is msgspec.NODEFAULT else json.dumps(value)


def _comment(said: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(_one_line(said), _WIDTH)] if said else []


def _one_line(said: str) -> str:
    return re.sub(r"\s+", " ", said).strip()


def _sections(kind: type[msgspec.Struct], above: str = "") -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for field in msgspec.structs.fields(kind):
        inner = _struct(field.type)
        if inner:
            name = f"{above}.{field.encode_name}" if above else field.encode_name
            yield name, inner
            yield from _sections(inner, name)


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _sentences(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What stands as a string below each attribute of a class and of those it is made of."""
    said: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        if issubclass(above, msgspec.Struct) and above is not msgspec.Struct:
            said |= _written(above)
    return said


def _written(kind: type[msgspec.Struct]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        attribute.target.id: inspect.cleandoc(below.value.value)
        for attribute, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
