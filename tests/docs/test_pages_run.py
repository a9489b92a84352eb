"""What the pages show is run, in order, against the scripted engine; what they say is printed, is.

Where a page shows what the bundled model said once (`<!-- printed: once -->`), its programs must end well here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import page, pages, section
from tests.docs.reader import Reader
from tests.documents.live import Live

RUN = [
    "docs/tutorial.md",
    "docs/batches.md",
    "docs/testing.md",
    *(of.name for of in pages() if of.name.startswith("docs/concepts/")),
]


@pytest.mark.parametrize("name", RUN)
def test_what_the_page_shows_runs_and_prints_what_it_says(name: str, live: Live, tmp_path: Path) -> None:
    reader = Reader(live, tmp_path)
    reader.read(page(name))
    check(reader)


def test_the_sdk_of_the_readme(live: Live, tmp_path: Path) -> None:
    reader = Reader(live, tmp_path)
    reader.read(section(page("README.md"), "The SDK"))
    check(reader)


def test_files_on_the_command_line(live: Live, tmp_path: Path) -> None:
    reader = Reader(live, tmp_path)
    reader.read(section(page("docs/files.md"), "On the command line"))
    check(reader)


def check(reader: Reader) -> None:
    assert reader.printed
    for block, said in reader.printed:
        if block.marks["printed"] != "once":
            assert said == block.text, f"{block} says otherwise"
        assert said, f"{block}: nothing was printed"
