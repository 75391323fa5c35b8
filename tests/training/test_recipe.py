import tomllib
from pathlib import Path

import pytest

from core.errors import ConfigError
from training import recipe

BUILT_IN = sorted(path.stem for path in recipe.BUILT_IN.glob("*.toml"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_recipe_is_read_by_its_bare_name(name: str):
    assert recipe.read(name).name == name


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_profile_of_a_built_in_recipe_fits(name: str):
    for profile in recipe.read(name).profiles:
        assert recipe.read(name, profile).name == name


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_recipe_written_out_reads_back_the_same(name: str, tmp_path: Path):
    first = recipe.read(name)
    (tmp_path / "again.toml").write_text(first.toml())
    assert recipe.read(str(tmp_path / "again.toml")) == first


def test_a_string_with_quotes_and_newlines_survives_being_written():
    odd = recipe.read("demo", changes=['name="a \\"b\\" \\n c"'])
    assert tomllib.loads(odd.toml())["name"] == 'a "b" \n c'


def test_the_hourly_bitcoin_recipe_is_the_documents():
    told = recipe.read("bitcoin_hourly")
    assert told.window.length == 48
    assert told.model.options["hidden"] == 128
    assert (told.optimiser.kind, told.optimiser.learning_rate, told.optimiser.epochs) == ("adam", 0.001, 20)


def test_set_overrides_a_dotted_key_and_reads_its_value_as_toml():
    told = recipe.read("demo", changes=["optimiser.epochs=3", 'data.symbols=["A", "B"]', "model.options.score=tanh"])
    assert told.optimiser.epochs == 3
    assert told.data.symbols == ("A", "B")
    assert told.model.options["score"] == "tanh"


def test_set_takes_a_list_with_commas_where_a_list_is_wanted():
    told = recipe.read("demo", changes=["data.symbols=A,B", "loss.events=move", "name=A,B"])
    assert (told.data.symbols, told.loss.events, told.name) == (("A", "B"), ("move",), "A,B")


def test_set_wins_over_the_profile():
    told = recipe.read("bitcoin_hourly", "market", ['data.symbols=["ETHUSDT"]'])
    assert told.data.symbols == ("ETHUSDT",)


@pytest.mark.parametrize(
    ("change", "near"),
    [("optimiser.learning_rat=1", "optimiser.learning_rate"), ("windw.length=3", "window"), ("sed=1", "seed")],
)
def test_an_unknown_key_is_refused_and_the_nearest_known_one_named(change: str, near: str):
    with pytest.raises(ConfigError, match=rf"not a known key\. try: {near}$"):
        recipe.read("demo", changes=[change])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("optimiser.epochs=0", "optimiser.epochs"),
        ("optimiser.epochs=many", "optimiser.epochs"),
        ("window.length=1", "window.length"),
        ("split.train=1.5", "split.train"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_name_of_its_key(change: str, told: str):
    with pytest.raises(ConfigError, match=f"{told}.*try:"):
        recipe.read("demo", changes=[change])


def test_a_change_without_an_equals_sign_is_refused():
    with pytest.raises(ConfigError, match="has no '='"):
        recipe.read("demo", changes=["optimiser.epochs"])


def test_a_change_below_a_plain_value_is_refused():
    with pytest.raises(ConfigError, match="seed is not a section"):
        recipe.read("demo", changes=["seed.deeper=1"])


def test_an_unknown_recipe_is_refused_and_the_nearest_one_named():
    with pytest.raises(ConfigError, match="try: bitcoin_hourly"):
        recipe.read("bitcoin_hurly")


def test_an_unknown_profile_is_refused_and_those_there_are_named():
    with pytest.raises(ConfigError, match="it has: cpu, full, market"):
        recipe.read("bitcoin_hourly", "gpu")


@pytest.mark.parametrize("content", [b"name = [", b"PAR1\xb5"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "broken.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="is not TOML"):
        recipe.read(str(tmp_path / "broken.toml"))
