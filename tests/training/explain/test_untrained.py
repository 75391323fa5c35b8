from pathlib import Path

import msgspec
import pytest
from looks import silent

from core import barfile
from core.errors import UsageError
from training.explain import asking, explaining, text
from training.explain.pictures import style
from training.explain.untrained import untrained


def test_an_untrained_family_is_explained_and_says_so(bars_path: Path):
    question = asking.of([], bars_path, None, None, "tcn")
    told = explaining.explain(question.subject, question.bars, None, 40, None, silent).report
    assert (told.kind, told.mark, told.output) == ("untrained", "UNTRAINED", "return_1")
    assert text.UNTRAINED in text.whole(told)
    marked = style.marked(style.figure("one"), told.mark)
    assert "UNTRAINED" in [one.get_text() for one in marked.texts]
    trained = msgspec.structs.replace(told, kind="run")
    assert [one.get_text() for one in style.marked(style.figure("one"), trained.mark).texts] == ["one"]


def test_the_same_family_draws_the_same_weights_and_tells_every_axis_it_has(bars_path: Path):
    file = barfile.read(bars_path)
    first, again = (untrained("cross_attention", file) for _ in range(2))
    assert first.model is not None
    assert again.model is not None
    for one, other in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert one.tolist() == other.tolist()
    assert [one.symbol for one in first.inputs] == ["", "S0"]
    assert [output.name for output in first.outputs] == ["return_1", "direction_1", "ordinal_1"]
    whole = {one.name: one.axes for one in untrained("transformer", file).attentions}
    assert whole["self_attention"] == ("layer", "head", "time", "time")


def test_bars_of_a_market_that_closes_at_weekends_are_taken_as_such(shared_data: Path):
    file = barfile.read(shared_data / "bars" / "dow30_daily_2008_2019.parquet")
    few = msgspec.structs.replace(file, symbols={name: file.symbols[name] for name in ("AAPL", "IBM")})
    assert untrained("tcn", few).recipe.data.sessions


def test_what_is_no_family_is_refused_and_so_is_a_run_beside_one(bars_path: Path):
    with pytest.raises(UsageError, match="no family is called 'lstm'"):
        asking.of([], bars_path, None, None, "lstm")
    with pytest.raises(UsageError, match="an untrained model"):
        asking.refuse([Path("run")], None, None, "", "tcn")
