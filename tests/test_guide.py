"""The user guide: every command and every snippet runs, most of them on one small finished study."""

import re
from pathlib import Path

import pytest

from tests.docs import DOCS, run_guide

N_PAINS = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guide's small study is, once it was searched."""
    return tmp_path_factory.mktemp("guide")


@pytest.fixture(scope="module")
def reading(folder: Path) -> list[str]:
    """What the guide about results printed; the first of it is the search."""
    return run_guide("read-the-result.md", folder)


@pytest.mark.slow
def test_read_the_result(reading: list[str]) -> None:
    """From the search's own table to MLflow."""
    assert " tuned " in reading[0]


@pytest.mark.slow
def test_questions(reading: list[str], folder: Path) -> None:
    """All 25 are there, and each answer holds on the small study."""
    text = (DOCS / "faq.md").read_text(encoding="utf-8")
    assert list(range(1, N_PAINS + 1)) == sorted(map(int, re.findall(r"^### (\d+)\. ", text, flags=re.MULTILINE)))
    run_guide("faq.md", folder)


@pytest.mark.slow
def test_bring_your_data(tmp_path: Path) -> None:
    """A file; a function that gives a `tf.data.Dataset` of tokens, and an embedding of them."""
    _, checked, tokens = run_guide("bring-your-data.md", tmp_path)
    assert "multiclass 72 17 89 ()\n" == checked
    assert "embedding: capacity" in tokens and " tuned " in tokens


def test_every_link_of_the_guides_leads_somewhere() -> None:
    """To a file, and to a heading of it where one is named."""
    dead = []
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, heading = link.partition("#")
            target = page if not path else page.parent / path
            if "://" not in link and not (target.exists() and (not heading or heading in headings(target))):
                dead.append(f"{page.name}: {link}")
    assert [] == dead


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_guide_is_in_the_index() -> None:
    """Whoever writes one links it."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [] == [page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index]
