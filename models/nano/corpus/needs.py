"""Calls by need: the user names no tool, the question does."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from corpus import words
from corpus.calls import declared, finish, opening, style, turns_of
from corpus.news import block, items, results
from corpus.row import Row, calls, result, says, user
from corpus.tools import Tool, compact, date_tool, declare, search_tool, taking


@dataclass(frozen=True, slots=True)
class Need:
    """A question, the call that answers it, what the tool returns and what is said then."""

    tool: Tool
    ask: str
    arguments: dict[str, Any]
    returned: str
    thought: str
    reply: str


def _text_tool(name: str, description: str, *keys: str) -> Tool:
    return declare(name, description, taking({key: {"type": "string"} for key in keys}, list(keys)))


def weather_tool(rng: Random) -> Tool:
    return _text_tool("get_weather", rng.choice(("Get the weather of a city.", "Current weather.")), "city")


def _weather(rng: Random) -> Need:
    place = words.name(rng)
    ask = rng.choice(
        (
            f"What is the weather in {place}?",
            f"How is the weather in {place} today?",
            f"Is it raining in {place}?",
            f"Do I need an umbrella in {place}?",
            f"Will it rain in {place}?",
            f"Tell me the weather in {place}.",
            f"How warm is it in {place}?",
            f"Is it cold in {place} now?",
            f"{place}今天天气怎么样？",
        )
    )
    found = f"{rng.choice(('sunny', 'rainy', 'cloudy', 'windy', 'snow'))}, {rng.randint(-9, 39)} degrees"
    tool = weather_tool(rng)
    thought = "To know the weather I call get_weather."
    return Need(tool, ask, {"city": place}, found, thought, f"The weather in {place}: {found}.")


def _calculation(rng: Random) -> Need:
    expression = f"{rng.randint(2, 999)}{rng.choice('+-*/')}{rng.randint(2, 999)}"
    ask = rng.choice((f"Compute {expression}.", f"What is {expression}?", f"Please calculate {expression}"))
    found = str(rng.randint(2, 99999))
    tool = _text_tool("calculate", rng.choice(("Compute an expression.", "A calculator.")), "expression")
    thought = "This is a calculation, so I call calculate."
    return Need(tool, ask, {"expression": expression}, found, thought, f"{expression} = {found}")


def _translation(rng: Random) -> Need:
    phrase = " ".join(words.any_word(rng) for _ in range(rng.randint(1, 3)))
    ask = rng.choice((f'Translate "{phrase}" into French.', f'How do you say "{phrase}" in French?'))
    found = words.any_word(rng)
    tool = _text_tool("translate", "Translate a text.", "text", "language")
    thought = "I need a translation, so I call translate."
    return Need(tool, ask, {"text": phrase, "language": "French"}, found, thought, f'In French: "{found}"')


def _now(rng: Random) -> Need:
    ask = rng.choice(
        (
            "What time is it?",
            "What day is it today?",
            "What is today's date?",
            "Tell me the current date and time.",
            "今天几号？",
            "现在几点？",
        )
    )
    found = f"{words.day(rng)} {words.clock(rng)}"
    thought = "I do not know the time. I call date."
    return Need(date_tool(rng), ask, {"operation": "time"}, found, thought, f"It is {found}.")


def _between(rng: Random) -> Need:
    first, second, found = words.day(rng), words.day(rng), f"{rng.randint(2, 900)} days"
    ask = rng.choice(
        (f"How many days are there between {first} and {second}?", f"How many days from {first} to {second}?")
    )
    arguments = {"operation": "between", "date1": first, "date2": second}
    reply = f"Between {first} and {second}: {found}."
    return Need(date_tool(rng), ask, arguments, found, "I count the days with date.", reply)


def _search(rng: Random) -> Need:
    phrase = " ".join(words.any_word(rng) for _ in range(rng.randint(1, 3)))
    ask = rng.choice(
        (
            f"Search the web for {phrase}.",
            f'Search the web for "{phrase}".',
            f"Find news about {phrase}.",
            f"Look up {phrase} on the web.",
            f"What is new about {phrase}?",
        )
    )
    found = items(rng)[:3]
    reply = "\n\n".join(block(n, item) for n, item in enumerate(found, 1))
    thought = f"I search the web for {phrase}."
    if rng.random() < 0.1:
        nothing = f"The search found nothing about {phrase}."
        return Need(search_tool(rng), ask, {"query": phrase}, f'No results for "{phrase}".', thought, nothing)
    return Need(search_tool(rng), ask, {"query": phrase}, results(phrase, found), thought, reply)


def _file(rng: Random) -> Need:
    path, found = f"{words.coined(rng)}.{rng.choice(('txt', 'md', 'py'))}", words.sentence(rng)
    ask = rng.choice((f"Read the file {path}.", f"What is in {path}?", f"Show me {path}"))
    tool = _text_tool("read_file", "Read a file.", "path")
    return Need(tool, ask, {"path": path}, found, f"I read {path} with read_file.", f"The file {path} says: {found}")


NEEDS: tuple[Callable[[Random], Need], ...] = (_weather, _calculation, _translation, _now, _between, _search, _file)


def by_need(rng: Random) -> Row:
    """One to four questions, each answered through a tool; now and then the tool fails."""
    chosen = style(rng)
    turns, tools, messages = turns_of(rng, chosen), {}, opening(rng)
    for index in range(turns):
        need = rng.choice(NEEDS)(rng)
        name = need.tool["function"]["name"]
        tools.setdefault(name, need.tool)
        messages += [user(need.ask), calls(need.thought, index, (name, compact(need.arguments)))]
        if rng.random() < 0.06:
            error = rng.choice(("Error: not available", "Error: timeout", f"Error: {words.coined(rng)}"))
            failed = says("The tool failed. I say so.", f"The tool {name} failed: {error}")
            messages += [result(name, index, error), failed]
        else:
            found = result(name, index, need.returned)
            messages += [found, says("I have the result and can answer.", need.reply)]
    row = Row(messages, declared(rng, list(tools.values())), chosen, keep_all=chosen == "kimi-k2.6" and turns > 1)
    return finish(rng, row) if turns == 1 else row
