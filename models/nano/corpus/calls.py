"""Tool calls: told by name, or by need; what came back is read and answered, or a second call follows."""

import json
from random import Random
from typing import Any

from corpus import words
from corpus.news import without_thoughts
from corpus.row import STYLES, Message, Row, calls, result, says, system, user
from corpus.tools import PARAMETERS, Tool, arguments, coined_tool, compact, date_tool, search_tool

SYSTEMS = (
    "You are Kimi.",
    "You are a helpful assistant.",
    "You are an agent. Use the tools.",
    "Answer briefly.",
    "You are Kimi, an AI assistant created by Moonshot AI.",
)


def style(rng: Random) -> str:
    return rng.choices(STYLES, (3, 6, 2, 2))[0]


def opening(rng: Random) -> list[Message]:
    return [system(rng.choice(SYSTEMS))] if rng.random() < 0.6 else []


def finish(rng: Random, row: Row, off: float = 0.2) -> Row:
    """Sometimes with thinking off."""
    if row.style == "kimi-k2.6" and rng.random() < off:
        row.thinking = False
        return without_thoughts(row)
    return row


def _written(rng: Random, value: Any) -> str:
    """JSON as users and tools write it: compact or with spaces."""
    return compact(value) if rng.random() < 0.5 else json.dumps(value, ensure_ascii=False)


def order(rng: Random, name: str, args: dict[str, Any]) -> str:
    text = _written(rng, args)
    return rng.choice(
        (
            f"Call the tool `{name}` with these JSON arguments: {text}",
            f"Call the tool `{name}` with exactly these JSON arguments: {text}",
            f"Call the tool `{name}`. JSON arguments: {text}",
            f"Please call `{name}` with the arguments {text}.",
            f"Call {name} with {text}",
            f"Use the tool {name} with the arguments {text}",
            f"Use `{name}`. Arguments: {text}",
        )
    )


def _spoken(rng: Random, name: str, args: dict[str, Any]) -> str:
    """The same order without JSON."""
    said = " and ".join(
        f"{key} {json.dumps(value) if isinstance(value, bool) else value}" for key, value in args.items()
    )
    said = f" with {said}" if said else ""
    plain = rng.choice((f"Please use {name}{said}.", f"Call the tool {name}{said}.", f"Run {name}{said}"))
    if not args or rng.random() < 0.6:
        return plain
    listed = ", ".join(f"the {key} {json.dumps(v) if isinstance(v, bool) else v}" for key, v in args.items())
    return rng.choice((f"Use the tool {name} with {listed}.", f"Call {name} with {listed}"))


def before_call(rng: Random, name: str) -> str:
    """A thought. The name is quoted, and what is reported begins a line: after a space both would be other tokens than
    where they stand in the declaration and in the result."""
    return rng.choice(
        (
            f"The user asks me to call `{name}`.",
            f"I am told to call the tool `{name}`.",
            f"I call `{name}` with the given arguments.",
        )
    )


def _returned(rng: Random) -> Any:
    """A value in a result."""
    draw = rng.random()
    if draw < 0.2:
        return rng.random() < 0.5
    if draw < 0.4:
        return words.integer(rng)
    return rng.choice((words.name(rng), words.day(rng), words.clause(rng), words.some(rng, 1, 5), words.coined(rng)))


def tool_text(rng: Random, name: str = "") -> str:
    """What a coined tool returns; now and then with a word of its own `name` in it."""
    draw = rng.random()
    if draw < 0.4:
        keys = (rng.choice((rng.choice(words.NOUNS), rng.choice(PARAMETERS))) for _ in range(rng.randint(1, 3)))
        held = {key: _returned(rng) for key in keys}
        return _written(rng, held)
    if draw < 0.85:
        text = words.sentence(rng) if draw < 0.65 else words.some(rng, 1, 9)
        if name and rng.random() < 0.2:
            parts = text.split(" ")
            parts.insert(rng.randint(0, len(parts)), rng.choice(name.split("_")))
            text = " ".join(parts)
        return words.again(rng, text) if rng.random() < 0.1 else text
    return words.number(rng)


def report(rng: Random, name: str, text: str) -> Message:
    thought = rng.choice(
        (
            f"The tool `{name}` answered. I report it.",
            "I have the result and pass it on.",
            f"`{name}` returned a result. I repeat it for the user.",
        )
    )
    lead = rng.choice(
        (f"The tool `{name}` returned:\n{text}", f"Result of `{name}`:\n{text}", f"`{name}` says:\n{text}")
    )
    return says(thought, lead)


def declared(rng: Random, wanted: list[Tool], most: int = 3) -> list[Tool]:
    """`wanted` among others that are not needed, no name twice."""
    others = [coined_tool(rng, most=2) for _ in range(rng.choice((0, 0, 1, most)))]
    others += [make(rng) for make in (date_tool, search_tool) if rng.random() < 0.08]
    listed = {tool["function"]["name"]: tool for tool in others} | {tool["function"]["name"]: tool for tool in wanted}
    shuffled = list(listed.values())
    rng.shuffle(shuffled)
    return shuffled


def _ordered_arguments(rng: Random, tool: Tool) -> dict[str, Any]:
    if tool["function"]["name"] != "date":
        return arguments(rng, tool)
    if rng.random() < 0.6:
        return {"operation": "time"}
    return {"operation": "between", "date1": words.day(rng), "date2": words.day(rng)}


def turns_of(rng: Random, chosen: str) -> int:
    """Several turns make a row dense, where thoughts are kept and so every turn is learned."""
    return 1 if chosen == "kimi-k2-thinking" else rng.choice((1, 2, 3, 4))


def directed(rng: Random) -> Row:
    """`Call the tool x`: the arguments are copied; most orders go on to the answer."""
    draw, chosen = rng.random(), style(rng)
    first = date_tool(rng) if draw < 0.05 else search_tool(rng) if draw < 0.13 else coined_tool(rng)
    tools = {tool["function"]["name"]: tool for tool in (first, coined_tool(rng), coined_tool(rng))}
    messages, text, turns = opening(rng), "", turns_of(rng, chosen)
    for index in range(turns):
        tool = first if not index else rng.choice(list(tools.values()))
        name, args, text = tool["function"]["name"], _ordered_arguments(rng, tool), ""
        spoken = rng.random() < 0.2 and all(isinstance(value, str | int | float) for value in args.values())
        ask = (_spoken if spoken else order)(rng, name, args)
        messages += [user(ask), calls(before_call(rng, name), index, (name, compact(args)))]
        if index < turns - 1 or rng.random() < 0.75:
            text = tool_text(rng, name)
            messages += [result(name, index, text), report(rng, name, text)]
    used = [tool for tool in tools.values() if tool is first or turns > 1]
    row = Row(messages, declared(rng, used), chosen, keep_all=chosen == "kimi-k2.6" and turns > 1, facts=(text,))
    return finish(rng, row) if turns == 1 else row


def fields(rng: Random) -> Row:
    """A call whose result is an object, and one field of it, several, or all that is wanted; several turns."""
    chosen, messages, tools, wanted = style(rng), opening(rng), dict[str, Tool](), ""
    for index in range(turns_of(rng, chosen)):
        tool = coined_tool(rng, most=1)
        name, args = tool["function"]["name"], arguments(rng, tool)
        tools.setdefault(name, tool)
        args = arguments(rng, tools[name])
        held = {
            rng.choice((rng.choice(words.NOUNS), rng.choice(PARAMETERS), words.identifier(rng))): rng.choice(
                (words.name(rng), words.any_word(rng), words.integer(rng), words.day(rng), rng.random() < 0.5)
            )
            for _ in range(rng.randint(2, 5))
        }
        picked = rng.sample(sorted(held), min(len(held), rng.choice((1, 1, 1, 2))))
        listed = " and ".join(f"`{key}`" for key in picked)
        ask = f"{order(rng, name, args)}{rng.choice((' Then tell', ' and tell', ' Tell'))} me only the {listed}."
        shown = {key: json.dumps(held[key]) if isinstance(held[key], bool) else str(held[key]) for key in picked}
        wanted = "; ".join(f"{key}: {shown[key]}" for key in picked) if len(picked) > 1 else shown[picked[0]]
        text = _written(rng, held)
        thought = f"The user wants only the {listed}."
        messages += [user(ask), calls(before_call(rng, name), index, (name, compact(args)))]
        messages += [result(name, index, text), says(thought, wanted)]
    keep = chosen == "kimi-k2.6" and len(tools) > 1
    return Row(messages, declared(rng, list(tools.values()), most=2), chosen, keep_all=keep, facts=(wanted,))


def chain(rng: Random) -> Row:
    """Two orders in two turns, or two calls one after the other: the index runs over the whole conversation."""
    first, second = coined_tool(rng, most=2), coined_tool(rng, most=2)
    if first["function"]["name"] == second["function"]["name"]:
        return chain(rng)
    (one, args_one), (two, args_two) = ((t["function"]["name"], arguments(rng, t)) for t in (first, second))
    text_one, text_two = tool_text(rng, one), tool_text(rng, two)
    asked_one, asked_two = _written(rng, args_one), _written(rng, args_two)
    kind = rng.random()
    if kind < 0.45:
        ask = f"First call `{one}` with {asked_one}, then call `{two}` with {asked_two}."
        messages = [
            user(ask),
            calls(f"First I call `{one}`, then `{two}`.", 0, (one, compact(args_one))),
            result(one, 0, text_one),
            calls(f"`{one}` is done. Now I call `{two}`.", 1, (two, compact(args_two))),
            result(two, 1, text_two),
            says("Both tools answered. I report both.", f"`{one}`:\n{text_one}\n`{two}`:\n{text_two}"),
        ]
    elif kind < 0.75:
        ask = f"Call `{one}` with {asked_one} and `{two}` with {asked_two} at the same time."
        messages = [
            user(ask),
            calls(f"I call `{one}` and `{two}` together.", 0, (one, compact(args_one)), (two, compact(args_two))),
            result(one, 0, text_one),
            result(two, 1, text_two),
            says("Both tools answered. I report both.", f"`{one}`:\n{text_one}\n`{two}`:\n{text_two}"),
        ]
    else:
        messages = [
            user(order(rng, one, args_one)),
            calls(before_call(rng, one), 0, (one, compact(args_one))),
            result(one, 0, text_one),
            report(rng, one, text_one),
            user(order(rng, two, args_two)),
            calls(before_call(rng, two), 1, (two, compact(args_two))),
            result(two, 1, text_two),
            report(rng, two, text_two),
        ]
    chosen = style(rng)
    return Row(
        opening(rng) + messages,
        _declared_both(rng, first, second),
        chosen,
        keep_all=chosen == "kimi-k2.6" and rng.random() < 0.6,
        facts=(text_two,),
    )


def _declared_both(rng: Random, first: Tool, second: Tool) -> list[Tool]:
    listed = [first, second]
    rng.shuffle(listed)
    return listed
