"""The bundled model's corpus: its rows render, and the score card asks with words of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

NANO = Path(__file__).parents[2] / "models" / "nano"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(sys, "path", [str(NANO), *sys.path])


def by_character(text: str) -> list[int]:
    return [ord(mark) for mark in text]


class Marks(dict[str, int]):
    """Every mark that a row may hold, with a number above all characters."""

    def __missing__(self, mark: str) -> int:
        self[mark] = 0x110000 + len(self)
        return self[mark]


def test_rows_of_every_kind_render_and_have_something_to_learn() -> None:
    mix: Any = import_module("corpus.mix")
    render: Any = import_module("corpus.rendering").render
    encode: Any = import_module("corpus.row").encode
    marks = Marks()
    for kind in mix.MAKERS:
        for seed in range(12):
            row = mix.made(Random(seed), kind)
            ids, mask = encode(row, render(row), by_character, marks)
            assert len(ids) == len(mask), kind
            assert any(mask), kind
            assert (ids[-1], mask[-1]) == (marks["<|im_end|>"], True), kind
            assert mask[0] is False, kind


def test_the_same_seed_gives_the_same_rows() -> None:
    rows: Any = import_module("corpus.mix").rows

    def first(seed: int) -> list[Any]:
        stream: Iterator[Any] = rows(seed)
        return list(islice(stream, 40))

    assert first(3) == first(3)
    assert first(3) != first(4)


def test_rows_share_nothing_that_a_later_one_changes() -> None:
    """Thoughts are taken out or made longer in place."""
    made: Any = import_module("corpus.mix").made
    for kind in import_module("corpus.mix").MAKERS:
        first = [repr(made(Random(seed), kind)) for seed in range(60)]
        assert [repr(made(Random(seed), kind)) for seed in range(60)] == first, kind


def test_a_schema_stands_before_the_answer_and_the_answer_alone_is_learned() -> None:
    shaped: Any = import_module("corpus.shaped").shaped
    render: Any = import_module("corpus.rendering").render
    row = next(row for row in (shaped(Random(seed)) for seed in range(99)) if row.schema is not None)
    text = "".join(piece.text for piece in render(row))
    assert json.dumps(row.schema, ensure_ascii=False, separators=(",", ":")) in text
    assert row.messages[-1]["content"] not in text


def test_the_card_has_words_of_its_own() -> None:
    trained: Any = import_module("corpus.words").LISTS
    asked: Any = import_module("card.words").LISTS
    known = {word.lower() for words in trained.values() for word in words}
    lists = ("nouns", "adjectives", "verbs", "people", "cities", "topics")
    assert {word for name in lists for word in asked[name] if word.lower() in known} == set()


def test_most_ways_in_which_the_card_asks_what_the_model_is_are_not_in_the_corpus() -> None:
    ask: Any = import_module("corpus.identity").ask
    talk: Any = import_module("corpus.talk").TALK
    asked: Any = import_module("card.words").LISTS["identity"]
    known = {text for entry in talk for text in entry["asks"]} | {ask(Random(seed)) for seed in range(20_000)}
    assert len([text for text in asked if text not in known]) >= 20


def test_every_task_of_the_card_asks_something() -> None:
    tasks: Any = import_module("card.tasks").TASKS
    for name, make in tasks.items():
        body = next(make(Random(1)))
        assert body["messages"], name
        assert body["model"].startswith("kimi-"), name
