"""Which reasoning of a conversation enters the prompt, and what its tool calls are called there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moonbase.contract.messages import Message, last_user_index


def kept_reasoning(messages: Sequence[Message], *, keep_all: bool) -> list[bool]:
    """For each message, whether its reasoning stays in the prompt.

    The current turn's always does: everything after the last user message, which is the tool loop that the model is
    in. Earlier turns' only with keep "all" (contract.md 1.3).
    """
    before = 0 if keep_all else last_user_index(messages) + 1
    return [False] * before + [True] * (len(messages) - before)


def named_as_in_prompt(messages: Sequence[Message]) -> bool:
    """Whether the calls have the ids of `prompt_call_ids` already, and so the messages that answer them."""
    count = 0
    for message in messages:
        if message.tool_calls:
            for call in message.tool_calls:
                if call.id != f"functions.{call.function.name}:{count}":
                    return False
                count += 1
    return True


def prompt_call_ids(messages: Sequence[Message]) -> Iterator[list[str]]:
    """For each message, the ids that its calls (or the call that it answers) have in a Kimi prompt.

    `functions.NAME:IDX`, IDX counting over the whole conversation (contract.md 13), whatever ids the client sent:
    models of this family call fewer tools when they see another form (2.3).
    """
    count = 0
    named: dict[str, str] = {}
    for message in messages:
        ids: list[str] = []
        if message.tool_calls:
            for call in message.tool_calls:
                ids.append(f"functions.{call.function.name}:{count}")
                named[call.id] = ids[-1]
                count += 1
        if message.tool_call_id and message.role == "tool":
            ids = [named.get(message.tool_call_id, message.tool_call_id)]
        yield ids
