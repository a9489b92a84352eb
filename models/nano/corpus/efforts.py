"""Low, high and max effort: a short thought, the usual one, and one that checks what is about to be written."""

from random import Random

from corpus.row import Message, Row

EFFORTS = ("low", "high", "max")
WORKED = ("sums", "compare", "going_on", "thought", "long", "chinese")
"""Kinds whose thoughts are needed as they are, or quoted later."""
COPIED = ("echo", "spelled", "listed")
"""Kinds in which there is nothing to check."""
REPEATED = ("echo", "spelled")
"""Kinds whose thought can be a single word."""


def with_effort(rng: Random, kind: str, row: Row) -> Row:
    """A row in the style kimi-k3 with an effort, and thoughts that show it."""
    row.effort = rng.choice(EFFORTS)
    if kind in WORKED:
        return row
    if kind in COPIED and row.effort == "max":
        return row
    brief = kind in REPEATED and row.effort == "low"
    for message in row.messages:
        if message["role"] == "assistant" and message.get("reasoning_content"):
            message["reasoning_content"] = "Repeat." if brief else _thought(message, row.effort)
    return row


def _thought(message: Message, effort: str) -> str:
    thought: str = message["reasoning_content"]
    if effort == "low" and '"' not in thought:
        head, dot, _ = thought.partition(". ")
        return head + dot.strip()
    if effort == "max":
        return f"{thought} I check it: {_checked(message)}"
    return thought


def _checked(message: Message) -> str:
    if made := message.get("tool_calls"):
        return " and ".join(f"{call['function']['name']} with {call['function']['arguments']}" for call in made)
    text = max(str(message["content"]).split("\n"), key=len)
    return text if len(text) < 60 else text[:60].rpartition(" ")[0] or text[:60]
