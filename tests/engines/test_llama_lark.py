"""Grammars with the ids of a model, tried with the llguidance that llama.cpp has."""

from __future__ import annotations

import random
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from moonbase.contract.formats import KIMI, OutputFormat
from moonbase.engines.llama.lark import lark, skeleton
from moonbase.engines.llama.model import SpecialToken
from tests.prompt.test_grammar import HERMES, MISTRAL, OFF, TOOLS, made

TOKENIZER = LLTokenizer("byte")
END = 256  # The byte vocabulary has a few ids beyond the bytes.


def takes(grammar: str, *pieces: str | int) -> str:
    """How far `grammar` lets the text go: "refused", "open" (it must go on), or "whole"."""
    matcher: Any = LLMatcher(TOKENIZER, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    for piece in pieces:
        tokens = [piece] if isinstance(piece, int) else list(piece.encode())
        if matcher.try_consume_tokens(tokens) < len(tokens):
            return "refused"
    return "whole" if matcher.is_accepting() else "open"


def spelled(output: OutputFormat = KIMI, **fields: Any) -> str:
    opening = fields.pop("opening", "answer")
    return lark(made(opening, output, tools=TOOLS, **fields), {}, ())


SECTION, CALL, ARGUMENTS, DONE, LAST = (
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<|tool_calls_section_end|>",
)


def call(index: int, name: str = "now", arguments: str = "{}") -> str:
    return f"{CALL}functions.{name}:{index}{ARGUMENTS}{arguments}{DONE}"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SECTION + call(0) + LAST, "whole"),
        (SECTION + call(0) + call(1, "search", '{"q":"x"}') + LAST, "whole"),
        (SECTION + "".join(call(n) for n in range(12)) + LAST, "whole"),
        (SECTION + call(0), "open"),
        (SECTION + LAST, "refused"),
        (SECTION + call(1) + LAST, "refused"),
        (SECTION + call(0, "nothing") + LAST, "refused"),
        (SECTION + call(0, "now", '{"q":"x"}') + LAST, "refused"),
        (SECTION + call(0, "search") + LAST, "refused"),
        (SECTION + call(0, "search", '{"q": "x"}') + LAST, "refused"),
        (SECTION + call(0) + LAST + "and more", "refused"),
        ("text first" + SECTION + call(0) + LAST, "refused"),
    ],
)
def test_a_forced_call(text: str, verdict: str) -> None:
    assert takes(spelled(tool_choice="required", thinking=OFF), text) == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("hm", "open"),
        ("hm</think>", "whole"),
        ("hm</think>an answer < that > goes on", "whole"),
        ("hm</think>answer" + SECTION + call(0) + LAST, "whole"),
        ("hm</think>" + SECTION + call(0, "nothing"), "refused"),
        ("hm</think>answer</think>", "refused"),
        ("hm</think>" + CALL, "refused"),
    ],
)
def test_a_call_of_the_models_own(text: str, verdict: str) -> None:
    assert takes(spelled(opening="thinking"), text) == verdict


def test_without_choice_the_section_does_not_open() -> None:
    assert takes(spelled(tool_choice="none", opening="thinking"), "hm</think>a" + SECTION) == "refused"


def test_numbers_go_on() -> None:
    grammar = made("answer", tools=TOOLS, tool_choice="required", thinking=OFF)
    later = lark(type(grammar)(grammar.rules, grammar.marks, calls_made=7), {}, ())
    assert takes(later, SECTION + call(7) + call(8) + LAST) == "whole"
    assert takes(later, SECTION + call(0)) == "refused"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>', "whole"),
        ('<tool_call>{"name":"search","parameters":{"q": "x"}}</tool_call>\n<tool_call>[', "open"),
        ('<tool_call>{"name": "nothing"', "refused"),
        ('<tool_call>{"name": "search", "arguments": {}', "refused"),
    ],
)
def test_calls_between_marks(text: str, verdict: str) -> None:
    assert takes(spelled(HERMES, tool_choice="required", thinking=OFF), text) == verdict


def test_a_list_of_calls_to_the_end() -> None:
    grammar = spelled(MISTRAL)
    assert (
        takes(grammar, 'see [TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]')
        == "whole"
    )
    assert takes(grammar, 'see [TOOL_CALLS][{"name": "now", "arguments": {}}') == "open"


def test_marks_by_their_tokens() -> None:
    """A mark is its token; ordinary text that spells it is not let through where marks are text to the decoder."""
    grammar = made("answer", MISTRAL, tools=TOOLS)
    token = SpecialToken(END, "[TOOL_CALLS]", "user_defined")
    text = lark(grammar, {"[TOOL_CALLS]": token}, ())
    assert takes(text, "see", END, '{"name": "now", "arguments": {}}') == "whole"
    assert takes(text, "see [TOOL_CALLS]") == "refused"
    control = lark(grammar, {"[TOOL_CALLS]": SpecialToken(END, "[TOOL_CALLS]", "control")}, ())
    assert takes(control, "see [TOOL_CALLS] spelled") == "whole"


def test_other_tokens_may_end_the_turn() -> None:
    grammar = made("answer", MISTRAL, tools=TOOLS)
    assert takes(lark(grammar, {}, (END,)), "hi", END) == "whole"
    assert takes(lark(grammar, {}, ()), "hi", END) == "refused"


def test_an_answer_is_taken_up_in_the_middle() -> None:
    grammar = made(tools=TOOLS)
    assert takes(lark(grammar, {}, (), grammar.free["</think>"]), " of it" + SECTION + call(0) + LAST) == "whole"
    assert takes(lark(grammar, {}, (), grammar.free[""]), "still thinking</think>") == "whole"


@pytest.mark.parametrize("output", [KIMI, HERMES, MISTRAL])
@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_every_skeleton_compiles(output: OutputFormat, choice: str) -> None:
    fields: dict[str, Any] = {"thinking": OFF} if choice == "required" else {}
    grammar = made("start" if output.think else "answer", output, tools=TOOLS, tool_choice=choice, **fields)
    assert takes(skeleton(grammar)) in ("open", "whole")


def test_random_text_that_the_grammar_lets_through_is_a_call() -> None:
    for seed in range(20):
        chooser = random.Random(seed)
        matcher: Any = LLMatcher(TOKENIZER, spelled(tool_choice="required", thinking=OFF), log_level=0)
        text = bytearray()
        while not matcher.is_stopped() and len(text) < 400:
            allowed = [token for token, weight in enumerate(matcher.compute_logit_bias()) if weight and token < 256]
            if not allowed:
                break
            token = chooser.choice(allowed)
            matcher.consume_token(token)
            text.append(token)
        assert text.startswith(f"{SECTION}{CALL}functions.".encode())
