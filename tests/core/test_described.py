import tomllib

import msgspec

from core import described


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far back."""

    length: int = 48
    """How many bars,
    counted from the newest."""
    names: tuple[str, ...] = ("a", "b")


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    name: str
    """What it is called."""
    window: Inner = Inner()


def test_every_key_is_told_with_its_sentence_and_default():
    assert [(key.dotted, key.said, key.default) for key in described.keys(Outer)] == [
        ("name", "What it is called.", msgspec.NODEFAULT),
        ("window.length", "How many bars,\ncounted from the newest.", 48),
        ("window.names", "", ("a", "b")),
    ]


def test_the_commented_toml_sets_what_is_given_and_explains_the_rest():
    written = described.commented(Outer, {"name": "x", "window.length": 7})
    assert written == (
        "# What it is called.\n"
        'name = "x"\n'
        "\n"
        "# How far back.\n"
        "[window]\n"
        "# How many bars, counted from the newest.\n"
        "length = 7\n"
        '# names = ["a", "b"]\n'
    )
    assert msgspec.convert(tomllib.loads(written), Outer) == Outer("x", Inner(7))


def test_with_every_comment_taken_away_the_defaults_are_the_defaults():
    written = described.commented(Outer, {"name": "x"})
    bare = "\n".join(line.removeprefix("# ") if " = " in line else line for line in written.splitlines())
    assert msgspec.convert(tomllib.loads(bare), Outer) == Outer("x")


class Wider(Inner, frozen=True, forbid_unknown_fields=True):
    """How far back, and more."""

    step: int = 1
    """Every so many."""


def test_sentences_are_inherited_as_keys_are():
    assert [(key.name, key.said[:8]) for key in described.keys(Wider)] == [
        ("length", "How many"),
        ("names", ""),
        ("step", "Every so"),
    ]


def test_the_schema_has_the_sentences_and_refuses_what_is_unknown():
    told = described.schema(Outer)
    inner = told["$defs"]["Inner"]
    assert inner["properties"]["length"]["description"] == "How many bars, counted from the newest."
    assert inner["additionalProperties"] is False
    assert told["$defs"]["Outer"]["required"] == ["name"]
