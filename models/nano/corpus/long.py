"""Conversations of one to four thousand tokens: many turns, long texts, and many tools."""

import json
from collections.abc import Callable
from random import Random

from corpus import arithmetic, calls, chinese, needs, official, recall, unknown, words
from corpus.calls import opening
from corpus.row import Message, Row, result, says, system, user
from corpus.row import calls as calling
from corpus.tools import Tool, arguments, coined_tool, compact

CHARACTERS = 2.7
"""Of a token, about; only the target length depends on it."""
LENGTHS = ((600, 1200), (1000, 2000), (1800, 3600), (2600, 3800))


def _size(messages: list[Message], tools: list[Tool]) -> float:
    """Tokens, about."""
    return (len(json.dumps(messages, ensure_ascii=False)) + 0.6 * len(json.dumps(tools))) / CHARACTERS


def _text(rng: Random, tokens: float) -> str:
    """A long text that nobody asks about."""
    lines: list[str] = []
    size = 0
    while size < tokens * CHARACTERS:
        line = " ".join(words.sentence(rng) for _ in range(rng.randint(1, 4)))
        if rng.random() < 0.1:
            line = f"# {words.title(rng)}"
        lines.append(line)
        size += len(line)
    return rng.choice(("\n", "\n\n", " ")).join(lines)


def _aside(rng: Random, tokens: float) -> list[Message]:
    """A turn with a long text in it."""
    text = _text(rng, tokens)
    ask, answer = rng.choice(
        (
            (f"Here is a text. Keep it for later.\n\n{text}", "I have it."),
            (f"{text}\n\nThat was the text.", "I have it."),
            (f"Read this:\n{text}", "I have read it."),
        )
    )
    return [user(ask), says("The user gives me a text. I keep it.", answer)]


def _order(rng: Random, tools: dict[str, Tool], name: str) -> list[Message]:
    args, text = arguments(rng, tools[name]), calls.tool_text(rng)
    made = [user(calls.order(rng, name, args)), calling(calls.before_call(rng, name), 0, (name, compact(args)))]
    return [*made, result(name, 0, text), calls.report(rng, name, text)]


def _need(rng: Random, tools: dict[str, Tool]) -> list[Message]:
    need = rng.choice((*needs.NEEDS, *official.ASKED))(rng)
    name = need.tool["function"]["name"]
    tools[name] = need.tool
    made = [user(need.ask), calling(need.thought, 0, (name, compact(need.arguments)))]
    return [*made, result(name, 0, need.returned), says("I have the result and can answer.", need.reply)]


def numbered(messages: list[Message]) -> list[Message]:
    """Call ids counted over the whole conversation."""
    count, at = 0, 0
    for message in messages:
        if message["role"] == "assistant":
            at = count
            for call in message.get("tool_calls", ()):
                call["id"] = f"{call['function']['name']}:{count}"
                count += 1
        elif message["role"] == "tool":
            message["tool_call_id"] = f"{message['name']}:{at}"
            at += 1
    return messages


TURNS: tuple[Callable[[Random], Row], ...] = (
    recall.echo,
    recall.said,
    arithmetic.sums,
    arithmetic.compare,
    unknown.unknown,
    chinese.chinese,
)


def _turns(rng: Random, tools: dict[str, Tool]) -> list[Message]:
    """The turns of one short row, without its system message."""
    row = rng.choice(TURNS)(rng)
    for tool in row.tools:
        tools.setdefault(tool["function"]["name"], tool)
    return [message for message in row.messages if message["role"] != "system"]


def long(rng: Random) -> Row:
    """Facts at the start, a long way, then orders, questions and the facts asked back; everything kept is learned."""
    goal = rng.uniform(*rng.choices(LENGTHS, (4, 4, 2, 1.5))[0])
    tools = {tool["function"]["name"]: tool for tool in (coined_tool(rng) for _ in range(rng.choice((1, 2, 3))))}
    wanted = list(tools)
    facts: dict[str, tuple[str, str, str]] = {}
    for _ in range(rng.randint(1, 3)):
        stated, asked, answer, value = recall.fact(rng)
        facts.setdefault(asked, (stated, answer, value))
    way = rng.choice(("text", "text", "tools", "turns", "turns", "system"))
    messages: list[Message] = opening(rng)
    room = max(100.0, goal - 450)
    if way == "system":
        messages = [system(f"You are a helpful assistant.\n\n{_text(rng, room)}")]
    if way == "tools":
        while _size([], list(tools.values())) < room:
            tool = coined_tool(rng) if rng.random() < 0.8 else rng.choice(official.OFFICIAL)
            tools.setdefault(tool["function"]["name"], tool)
        others = [name for name in tools if name not in wanted and name not in official.NAMES]
        wanted += rng.sample(others, min(2, len(others)))
    messages += recall.told(" ".join(stated for stated, _, _ in facts.values()))
    if way == "text":
        for part in ([1.0], [0.5, 0.5])[rng.random() < 0.4]:
            messages += _aside(rng, room * part)
    while way == "turns" and _size(messages, []) < room:
        messages += _turns(rng, tools)
    ends: list[list[Message]] = [_order(rng, tools, rng.choice(wanted)) for _ in range(rng.randint(1, 3))]
    ends += [_need(rng, tools) for _ in range(rng.randint(0, 2))]
    ends += [recall.recalled(stated, asked, answer, value) for asked, (stated, answer, value) in facts.items()]
    if rng.random() < 0.3:
        ends.append(_missed(rng, facts))
    rng.shuffle(ends)
    for end in ends:
        messages += end
    listed = list(tools.values())
    rng.shuffle(listed)
    row = arithmetic.dense(rng, numbered(messages))
    row.tools = listed
    return row


def _missed(rng: Random, facts: dict[str, tuple[str, str, str]]) -> list[Message]:
    _, asked, _, _ = recall.fact(rng)
    while asked in facts:
        _, asked, _, _ = recall.fact(rng)
    return recall.missed(asked)
