"""What an answer's text must look like, as a value: made by `prompt.grammar`, obeyed by text engines that can.

The rules are in llguidance's dialect of Lark (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md). They
leave open what only an engine knows of its model:

- `mark_N`: the mark `marks[N]`, one special token, or its text where the model has no such token;
- `until_N`: free text up to and including that mark, and `free`: free text to the end, both without any of `marks`;
- `index_N`: the number, in decimal digits, of the call N of this answer within the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Schema = dict[str, Any]

ANY_OBJECT: Schema = {"type": "object"}
"""What stands for a schema where only an object is promised (contract.md 1.5, 7.2)."""

INDEXED = 8
"""Calls of one answer whose number is forced; the number of a later one is any."""


class Grammar(msgspec.Struct, frozen=True):
    """`rules` hold no `start` rule; an answer begins with the rule `begin`.

    `free` says where free text runs, so that an engine can take up an answer that it has put aside there: after the
    mark (the empty string: before any mark) follows free text, and what follows the text so far is the rule named.
    `calls_made`: calls of the conversation before this answer.

    What is promised where, for whoever closes an answer early or checks it: `content` is the schema of the content,
    None where it is free text; `calls` has the schema of the arguments of every function that may be called.
    """

    rules: str
    marks: tuple[str, ...] = ()
    free: Mapping[str, str] = {}
    calls_made: int = 0
    content: Schema | None = None
    calls: Mapping[str, Schema] = {}
