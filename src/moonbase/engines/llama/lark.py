"""A grammar as llama.cpp takes it: the rules of `contract.grammar`, and those that need the model's own token ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from moonbase.contract.grammar import INDEXED, Grammar
from moonbase.engines.llama.model import SpecialToken

_SIGNS = re.compile(r"[^A-Za-z0-9]")


def lark(grammar: Grammar, tokens: Mapping[str, SpecialToken], ends: tuple[int, ...], begin: str = "begin") -> str:
    """The whole text. `ends`: tokens that may stand at the end besides the one that llguidance knows of; `begin`: the
    rule that the text begins with."""
    return "\n".join(
        [f"start: {begin} end?" if ends else f"start: {begin}", grammar.rules, *_own(grammar, tokens, ends)]
    )


def skeleton(grammar: Grammar) -> str:
    """A text as long and as hard as any of `lark`, for trying; the same for every turn of a conversation."""
    tokens = {mark: SpecialToken(number, mark, "user_defined") for number, mark in enumerate(grammar.marks)}
    return lark(Grammar(grammar.rules, grammar.marks), tokens, (0,))


def _own(grammar: Grammar, tokens: Mapping[str, SpecialToken], ends: tuple[int, ...]) -> Iterator[str]:
    # A CONTROL token is never part of text; any other mark is text to the decoder unless it is kept out.
    spelled = [mark for mark in grammar.marks if mark not in tokens or tokens[mark].kind != "control"]
    yield "free: TEXT"
    yield f"TEXT: /(?s:.*)/{_without(spelled)}"
    for number, mark in enumerate(grammar.marks):
        if mark in tokens:
            yield f"mark_{number}: <[{tokens[mark].id}]>"
            yield f"until_{number}: TEXT mark_{number}"
        else:
            yield f"mark_{number}: {json.dumps(mark)}"
            yield f"until_{number}[lazy]: UNTIL_{number}"
            others = _without([other for other in spelled if other != mark])
            yield rf"UNTIL_{number}: /(?s:.*?){_escaped(mark)}/{others}"
    for number in range(INDEXED):
        yield f'index_{number}: "{grammar.calls_made + number}"'
    if ends:
        yield "end: " + " | ".join(f"<[{end}]>" for end in ends)


def _without(marks: list[str]) -> str:
    """What keeps `marks` out of the regular expression that stands before it."""
    return rf" & ~/(?s:.*)({'|'.join(map(_escaped, marks))})(?s:.*)/" if marks else ""


def _escaped(text: str) -> str:
    """`text` for a regular expression, in which an escaped sign may have a meaning of its own."""
    return _SIGNS.sub(lambda sign: f"\\x{{{ord(sign.group()):x}}}", text)
