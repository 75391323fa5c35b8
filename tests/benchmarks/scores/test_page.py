"""The page of results says what was found, what was claimed and what was not run."""

import json

import msgspec
import pytest
from runs import a_recipe, a_run, some_bars, write_parquet

from benchmarks.scores import page as results_page
from benchmarks.scores.tasks import TASKS


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of one result: a run on made-up bars in the place of Bitcoin's."""
    folder = tmp_path_factory.mktemp("results")
    run = a_run(a_recipe(), write_parquet(some_bars(), folder / "bars.parquet"), folder / "run")
    told = {"command": "gaze train", "seconds": 60, "machine": "m", "load_before": 1.0, "at": "now", "commit": "abc"}
    told |= {"judged_with": "def"}
    (folder / "kept").mkdir()
    kept = told | {"evaluation": msgspec.to_builtins(run.evaluation)}
    (folder / "kept" / "bitcoin_hourly.json").write_text(json.dumps(kept))
    results_page.write(folder / "kept", folder / "page.md")
    return (folder / "page.md").read_text()


def test_it_shows_the_model_beside_the_baselines_with_intervals_and_verdicts(page: str):
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    assert {"| model", "| zero", "| boosting_gaze"} <= set(rows)
    assert "- return_1 is not distinguishable from forecasting zero" in page


def test_claims_are_answered_with_what_was_found(page: str):
    (answer,) = (line for line in page.splitlines() if line.startswith("| It aims at an RMSE"))
    assert "<return_1" not in answer
    assert " bp on this test, the model " in answer


def test_what_has_no_result_is_listed_as_not_run(page: str):
    lacking = page.partition("## Not run")[2]
    assert all((f"`{name}`" in lacking) == (name != "bitcoin_hourly") for name in TASKS)


def test_every_claim_asks_for_scores_that_its_recipe_has():
    """A name that no score has would only fail after hours of training."""
    from training import recipe
    from training.data import labels
    from training.judging.baselines import beside
    from training.judging.scores import of_kind

    for task in TASKS.values():
        outputs = {one.name: one for one in labels.outputs(recipe.read(task.recipe, task.profile or None).label)}
        for claim in task.claims:
            for output, measure, predictor in results_page.asked(claim.answer):
                has = {"model": of_kind(outputs[output].kind)} | beside(outputs[output])
                assert measure in has[predictor]
