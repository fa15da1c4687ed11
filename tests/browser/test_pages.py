"""What a person sees in MLflow's pages, in a real browser on a real study: names and numbers, not internals."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browser.conftest import N_TRIALS, Study

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

LEVERS = ("units", "layers", "dropout", "l2")
FINALISTS = ("baseline-stand-in", "hand-made", "tuned")


def opened(page: Page, address: str, *words: str) -> str:
    """Open a page, wait until it shows these words, and return all of its text."""
    page.goto("about:blank")  # an address that differs only behind the # would not load anew
    page.goto(address)
    for word in words:
        page.get_by_text(word).first.wait_for(state="visible")
    return page.locator("body").inner_text()


def missing(text: str, *words: str) -> list[str]:
    """The words that a text does not contain."""
    return [word for word in words if word not in text]


def shot(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of the page, in 256 colours."""
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(256).save(folder / f"mlflow-{name}.png", optimize=True)


def test_the_printed_link_opens_the_table_with_the_columns_that_matter(
    page: Page, site: str, study: Study, screenshots: Path
) -> None:
    """Every trial and every finalist, the levers, the diagnosis and the objective, without a click."""
    text = opened(page, site + study.link("its trials"), "hand-made", "trial-7", "generalization_gap")
    shot(page, screenshots, "table")
    assert [] == missing(text, *FINALISTS, *(f"trial-{i}" for i in range(N_TRIALS)))
    assert [] == missing(text, *LEVERS, "best_val_loss", "diagnosis", "phase", "move")
    assert "overfit_confidence" in text
    assert f"{study.runs['tuned'].data.metrics['best_val_loss']:.4g}"[:5] in text


def test_trials_are_nested_under_their_study(page: Page, site: str, study: Study, screenshots: Path) -> None:
    """Sorted by time the study is one row; the plus sign unfolds its trials."""
    order = "orderByKey=attributes.start_time&orderByAsc=false"
    address = f"#/experiments/{study.experiment_id}/runs?workflowType=machine_learning&{order}"
    assert "trial-7" not in opened(page, site + address, "seen")
    page.locator("[row-index='0'] [col-id*='Run Name'] button").click()
    page.get_by_text("trial-7").first.wait_for(state="visible")
    shot(page, screenshots, "nested")


def test_parallel_coordinates_show_the_four_levers(page: Page, site: str, study: Study, screenshots: Path) -> None:
    """An axis for each lever and one for the objective."""
    opened(page, site + study.link("its levers"), "What each lever did", "Learning curves")
    axes = page.locator("svg .dimension, svg .axis-title, svg text")
    axes.filter(has_text="dropout").first.wait_for(state="visible")
    shown = " ".join(axes.all_text_contents())
    shot(page, screenshots, "levers")
    assert [] == missing(shown, *LEVERS, "best_val_loss")


def test_the_finalists_are_compared_side_by_side(page: Page, site: str, study: Study, screenshots: Path) -> None:
    """Baseline, hand-made and best model: parameters and test accuracy in one table."""
    text = opened(page, site + study.link("finalists"), "test_accuracy", "baseline-stand-in")
    shot(page, screenshots, "comparison")
    assert [] == missing(text, *FINALISTS, *LEVERS, "best_val_loss", "generalization_gap")
    for name in FINALISTS:
        assert f"{study.runs[name].data.metrics['test_accuracy']:.3f}"[:5] in text


def test_the_page_of_the_study_is_its_report(page: Page, site: str, study: Study, screenshots: Path) -> None:
    """Question, answer with interval, levers, what overfits, how to load; pictures, and links that lead to pages."""
    opened(page, site + study.link("the study"), "Show more")
    page.get_by_text("Show more").first.click()
    text = page.locator("body").inner_text()
    shot(page, screenshots, "report")
    headings = ("What each lever did", "Which trials overfit", "How to load the tuned model", "Pictures")
    assert [] == missing(text, "Question:", "Which model won?", "95 % interval", *headings, "mlflow.pyfunc.load_model")
    page.locator("img[src*='previews/levers.png']").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector(\"img[src*='previews/levers.png']\").naturalWidth > 300")
    shot(page, screenshots, "report-pictures")
    page.goto(site + str(page.get_by_role("link", name="Finalists side by side").get_attribute("href")))
    page.get_by_text("Comparing 3 Runs").wait_for(state="visible")


def test_the_page_of_a_trial_says_why_and_shows_its_curves(
    page: Page, site: str, study: Study, screenshots: Path
) -> None:
    """The description answers why it was tried; the chart of its validation loss is there."""
    run = study.runs["trial-7"]
    address = f"{site}#/experiments/{study.experiment_id}/runs/{run.info.run_id}"
    opened(page, f"{address}?workflowType=machine_learning", "Show more")
    page.get_by_text("Show more").first.click()
    text = page.locator("body").inner_text()
    shot(page, screenshots, "trial")
    assert [] == missing(text, "Why it was tried:", "What it changed:", "What it showed:", "Its fit:")
    assert run.data.tags["reason"] in text
    opened(page, f"{address}/model-metrics?workflowType=machine_learning", "best_epoch")
    page.get_by_placeholder("Search metric charts").fill("^(train|val)_loss")
    page.get_by_text("train_loss").first.wait_for(state="visible")
    page.locator("svg .scatterlayer .trace").first.wait_for(state="attached")
    shot(page, screenshots, "curves")


def test_artifacts_of_the_study_show_its_pictures(page: Page, site: str, study: Study, screenshots: Path) -> None:
    """The artifact view draws the picture of the study."""
    run_page = f"{site}#/experiments/{study.experiment_id}/runs/{study.parent.info.run_id}"
    address = f"{run_page}/artifacts/pictures/study.png?workflowType=machine_learning"
    text = opened(page, address, "study.png", "argument.txt")
    page.locator("img").first.wait_for(state="visible")
    shot(page, screenshots, "artifacts")
    assert [] == missing(text, "argument.txt", "result.json")


def test_the_tuned_model_is_a_logged_and_a_registered_model(
    page: Page, site: str, study: Study, screenshots: Path
) -> None:
    """Its page names the run, the data sets and the metrics; the registry has it as champion."""
    (model,) = [each for each in study.client.search_logged_models([study.experiment_id]) if each.name == "tuned"]
    text = opened(
        page,
        f"{site}#/experiments/{study.experiment_id}/models/{model.model_id}?workflowType=machine_learning",
        "test_accuracy",
    )
    shot(page, screenshots, "model")
    assert [] == missing(text, "tuned", "mnist5k-validation", "best_val_loss", "overfit-backoff-mnist5k")
    text = opened(page, f"{site}#/models/overfit-backoff-mnist5k", "Version 1")
    shot(page, screenshots, "registered")
    assert "champion" in text
