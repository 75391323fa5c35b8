import msgspec
import pytest

from core import settings
from core.errors import ConfigError


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    length: int = 48


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    window: Inner = Inner()


def test_toml_becomes_frozen_settings():
    assert settings.decode('name = "x"\n[window]\nlength = 3', Outer, "f") == Outer("x", Inner(3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nmae = "x"', "unknown key 'nmae'; did you mean 'name'? try: name"),
        ('name = "x"\n[window]\nlenght = 3', "unknown key 'lenght' in [window]; did you mean 'length'?"),
        ('name = "x"\n[window]\nzzz = 3', "unknown key 'zzz' in [window]; known are: length; try: one of them"),
        ('name = "x"\n[window]\nlength = "a"', "f: window.length: expected int, got str; try: length = 48"),
        ("", 'f: name must be given; try: name = "..."'),
        ("= 3", "f is not TOML"),
        (b'name = "\xff"', "f is not TOML: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_what_is_wrong_is_said_with_where_and_what_was_meant(text: str | bytes, said: str):
    with pytest.raises(ConfigError) as caught:
        settings.decode(text, Outer, "f")
    assert said in str(caught.value)


def test_overrides_win_and_bare_words_are_strings():
    assert settings.decode('name = "x"', Outer, "f", ["name=y", "window.length=7"]) == Outer("y", Inner(7))


def test_a_number_where_a_word_is_expected_is_that_word():
    assert settings.decode("", Outer, "f", ["name=0"]) == Outer("0")
    assert settings.decode("", Outer, "f", ['name="0"']) == Outer("0")


@pytest.mark.parametrize("override", ["name", "=3", "name.x=3"])
def test_an_override_that_sets_nothing_is_refused(override: str):
    with pytest.raises(ConfigError):
        settings.decode('name = "x"', Outer, "f", [override])


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...] = ()
    window: Inner = Inner()


@pytest.mark.parametrize("told", ["A, B", '["A", "B"]', "A,,B,"])
def test_a_list_may_be_told_with_commas(told: str):
    assert settings.decode("", Listed, "f", [f"names={told}"]) == Listed(("A", "B"))


@pytest.mark.parametrize("told", ["", " ", '""', "[]"])
def test_a_list_told_by_nothing_is_empty(told: str):
    assert settings.decode('names = ["A"]', Listed, "f", [f"names={told}"]) == Listed()


def test_the_environment_says_dotted_keys_and_what_is_not_ours_is_left_alone():
    environment = {"GAZE_WINDOW__LENGTH": "7", "GAZE_PORT": "tcp://10.0.0.1", "HOME__X": "y"}
    assert settings.from_environment(environment) == {"GAZE_WINDOW__LENGTH": "window.length=7"}


def test_the_keys_of_a_text_are_dotted():
    assert settings.dotted('name = "x"\n[window]\nlength = 3') == ["name", "window.length"]
