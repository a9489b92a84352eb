"""The tables of scores that readers see are those of scores.json, which stands beside the weights."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NANO = ROOT / "models" / "nano"


@pytest.mark.parametrize(
    ("page", "aims_only"), [(NANO / "README.md", False), (ROOT / "README.md", True)], ids=["models/nano", "README"]
)
def test_a_page_shows_the_scores_that_are_committed(page: Path, aims_only: bool) -> None:
    card = runpy.run_path(str(NANO / "card" / "table.py"))
    scores = json.loads((NANO / "scores.json").read_text())
    assert set(card["TARGETS"]) <= set(scores["tasks"])
    assert card["markdown"](scores, aims_only=aims_only) in page.read_text()
