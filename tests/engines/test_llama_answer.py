"""Chunks as llama.cpp writes them into messages."""

from __future__ import annotations

import json
from typing import Any

from moonbase.contract.grammar import Grammar
from moonbase.engines.llama.answer import Answer
from moonbase.engines.llama.place import Place
from moonbase.engines.llama.wire import Broke, Delta, Done, Read

THINK, END = 7, 8


def answer() -> Answer:
    return Answer(1, marks={THINK: "<think>"}, ends={END: "<|im_end|>"})


def chunk(text: str, id: int, count: int) -> bytes:
    verbose = {"content": text, "tokens": [id], "tokens_predicted": count, "stop": False}
    return _json(choices=[{"text": text, "finish_reason": None}], __verbose=verbose)


def last(reason: str, count: int) -> bytes:
    return _json(choices=[{"text": "", "finish_reason": reason}], __verbose={"content": "", "tokens_predicted": count})


def progress(total: int, cache: int, processed: int) -> bytes:
    return _json(
        choices=[{"text": "", "finish_reason": None}],
        prompt_progress={"total": total, "cache": cache, "processed": processed, "time_ms": 1},
    )


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


def test_a_mark_in_a_string_is_text() -> None:
    """Where marks are text to the decoder too (Kimi's vocabulary), one may be generated inside a JSON string."""
    place = Place(Grammar("", ("<think>",)))
    subject = Answer(1, marks={THINK: "<think>"}, ends={}, place=place)
    assert subject.feed(chunk('{"', 1, 1)) == [Delta(1, '{"', 1, False)]
    assert subject.feed(chunk("<think>", THINK, 2)) == [Delta(1, "<think>", 1, False)]
    assert subject.feed(chunk('"}', 2, 3)) == [Delta(1, '"}', 1, False)]
    assert subject.feed(chunk("<think>", THINK, 4)) == [Delta(1, "<think>", 1, True)]


def test_text_may_hold_marks_that_are_no_tokens() -> None:
    subject = Answer(1, marks={THINK: "<think>"}, ends={}, spelled=True)
    assert subject.feed(chunk("a", 1, 1)) == [Delta(1, "a", 1, None)]
    assert subject.feed(chunk("<think>", THINK, 2)) == [Delta(1, "<think>", 1, True)]


def test_the_prompt_is_reported_once() -> None:
    subject = answer()
    assert subject.feed(progress(100, 60, 60)) == [Read(1, 100, 60)]
    assert subject.feed(progress(100, 60, 100)) == []


def test_text_and_the_end_that_llama_cpp_saw() -> None:
    subject = answer()
    assert subject.feed(chunk("a", 3, 1)) == [Delta(1, "a", 1, False)]
    assert subject.feed(chunk("", 99, 2)) == []
    assert subject.feed(last("stop", 2)) == [Done(1, "stop", 1)]
    assert subject.over


def test_the_budget_runs_out() -> None:
    subject = answer()
    subject.feed(chunk("a", 3, 1))
    assert subject.feed(last("length", 1)) == [Done(1, "length", 0)]


def test_a_character_of_several_tokens_is_one_delta() -> None:
    subject = answer()
    assert subject.feed(chunk("🌙", 5, 4)) == [Delta(1, "🌙", 4, False)]


def test_a_mark_is_told_by_its_id_not_its_text() -> None:
    subject = answer()
    assert subject.feed(chunk("<think>", THINK, 1)) == [Delta(1, "<think>", 1, True)]
    assert subject.feed(chunk("<think>", 5, 2)) == [Delta(1, "<think>", 1, False)]


def test_bytes_that_are_no_character_are_counted_but_not_shown() -> None:
    """contract.md 2.5: no U+FFFD on the wire."""
    subject = answer()
    assert subject.feed(chunk("\ufffd<think>", THINK, 3)) == [Delta(1, "<think>", 3, True)]
    assert subject.feed(chunk("\ufffd", 5, 5)) == []
    assert subject.feed(chunk("\ufffda", 6, 7)) == [Delta(1, "a", 4, False)]


def test_a_hidden_token_is_counted_with_what_follows() -> None:
    subject = answer()
    assert subject.feed(chunk("", 50, 1)) == []
    assert subject.feed(chunk("", 50, 2)) == []
    assert subject.feed(chunk("a", 3, 3)) == [Delta(1, "a", 3, False)]
    assert subject.feed(chunk("", 50, 4)) == []
    assert subject.feed(chunk("<think>", THINK, 5)) == [Delta(1, "<think>", 2, True)]


def test_an_end_mark_ends_the_answer_and_is_counted_but_not_shown() -> None:
    subject = answer()
    subject.feed(chunk("a", 3, 1))
    assert subject.feed(chunk("<|im_end|>", END, 2)) == [Done(1, "stop", 1)]
    assert subject.over


def test_an_end_mark_behind_a_broken_character() -> None:
    subject = answer()
    assert subject.feed(chunk("\ufffd<|im_end|>", END, 2)) == [Done(1, "stop", 2)]


def test_an_error_of_llama_cpp_ends_the_answer() -> None:
    subject = answer()
    assert subject.feed(_json(error={"code": 500, "message": "Compute error."})) == [Broke(1, "Compute error.")]
    assert subject.over


def test_counts_go_on_over_a_pause() -> None:
    subject = answer()
    subject.feed(progress(10, 0, 10))
    subject.feed(chunk("a", 3, 1))
    subject.feed(chunk("🌙", 5, 5))
    subject.feed(chunk("", 50, 6))
    assert subject.generated == [(3, "a"), (None, "🌙"), (50, "")]
    assert subject.resume() == 6
    assert subject.feed(progress(16, 16, 16)) == [], "the prompt has been reported"
    assert subject.feed(chunk("b", 4, 1)) == [Delta(1, "b", 2, False)]
    assert subject.feed(last("length", 1)) == [Done(1, "length", 0)]
