"""The official tools by their real declarations: asked for by name and by need."""

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

from corpus import words
from corpus.calls import declared, finish, opening, style, turns_of
from corpus.needs import Need
from corpus.row import Row, calls, result, says, user
from corpus.tools import Tool, compact, official
from moonbase.tools.official import base64 as base64_tool
from moonbase.tools.official import code, convert, date, fetch, memory, mew, random_choice, rethink

CONVERT, MEMORY, MEW = official(convert.FUNCTION), official(memory.FUNCTION), official(mew.FUNCTION)
CHOICE, RETHINK, FETCH, DATE = (official(m.FUNCTION) for m in (random_choice, rethink, fetch, date))
ENCODE, DECODE = official(base64_tool.ENCODE), official(base64_tool.DECODE)
PYTHON, JAVASCRIPT = official(code.CODE_RUNNER_FUNCTION), official(code.QUICKJS_FUNCTION)
UNITS = (
    "km|miles|m|feet|inches|cm|yards|mm",
    "kg|lb|g|ounces|pounds|stone|tons",
    "litres|gallons|pints|ml|cups",
    "hours|minutes|seconds|days|weeks",
    "km/h|mph|knots|m/s",
    "°C|°F|K",
    "USD|EUR|CNY|JPY|GBP",
    "m^2|acres|hectares|km^2",
    "J|kJ|kcal|kWh",
    "bar|psi|Pa|atm",
)
ZONES = (
    *("Asia/Tokyo", "Asia/Shanghai", "Europe/Paris", "Europe/London", "America/New_York", "America/Los_Angeles"),
    *("UTC", "Asia/Dubai", "Australia/Sydney", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"),
)
FRUIT = (
    *("apple", "banana", "cherry", "pear", "plum", "lemon", "grape", "melon"),
    *("tea", "coffee", "milk", "pizza", "pasta", "soup", "rice", "bread"),
)


def _named(rng: Random, name: str, rest: str) -> str:
    return rng.choice((f"Use the tool {name} {rest}.", f"Use {name} {rest}.", f"Please use {name} {rest}"))


def _convert(rng: Random) -> Need:
    first, second = rng.sample(rng.choice(UNITS).split("|"), 2)
    if rng.random() < 0.1:
        first, second = words.coined(rng), words.coined(rng)
    value: float = rng.choice((rng.randint(1, 99), rng.randint(1, 999), rng.randint(1, 99) + rng.randint(1, 9) / 10))
    ask = rng.choice(
        (
            f"Convert {value} {first} to {second}.",
            f"How many {second} are {value} {first}?",
            f"What is {value} {first} in {second}?",
            f"{value} {first} in {second}",
            f"把{value} {first} 换算成 {second}。",
            _named(rng, "convert", f"to turn {value} {first} into {second}"),
            _named(rng, "convert", f"for {value} {first} to {second}"),
        )
    )
    found = f"{float(value)} {first} = {rng.randint(0, 9999) / rng.choice((10, 100, 1))} {second}"
    thought = f"I convert {value} {first} to {second} with convert."
    args = {"value": value, "from_unit": first, "to_unit": second}
    return Need(CONVERT, ask, args, found, thought, f"{found}.")


def _key(rng: Random) -> str:
    return rng.choice((rng.choice(words.NOUNS), words.any_word(rng), words.identifier(rng), words.coined(rng)))


def _store(rng: Random) -> Need:
    key, value = _key(rng), rng.choice((words.any_word(rng), words.name(rng), words.sentence(rng)))
    field = rng.choice(("note", "value", "text"))
    ask = rng.choice(
        (
            f'Store "{value}" under the key {key}.',
            f'Save "{value}" in memory as {key}.',
            f"Keep this in memory under {key}: {value}",
            f'记住这个，键是 {key}："{value}"',
            _named(rng, "memory", f'to store "{value}" under {key}'),
        )
    )
    args = {"action": "store", "key": key, "data": {field: value}}
    found = json.dumps({"stored": True, "key": key, "ttl": 86400}, ensure_ascii=False)
    return Need(MEMORY, ask, args, found, f"I store it under {key} with memory.", f"I stored it under {key}.")


def _retrieve(rng: Random) -> Need:
    key, value = _key(rng), words.name(rng)
    ask = rng.choice(
        (
            f"What did you store under the key {key}?",
            f"Read the key {key} from memory.",
            f"What is in memory under {key}?",
            _named(rng, "memory", f"to retrieve {key}"),
        )
    )
    found = json.dumps({rng.choice(("note", "value", "text")): value}, ensure_ascii=False)
    args = {"action": "retrieve", "key": key}
    return Need(MEMORY, ask, args, found, f"I retrieve {key} with memory.", f"Under {key} I found: {value}")


def _forget(rng: Random) -> Need:
    key = _key(rng)
    ask = rng.choice((f"Delete the key {key} from memory.", _named(rng, "memory", f"to delete {key}")))
    found = json.dumps({"deleted": True, "key": key}, ensure_ascii=False)
    return Need(
        MEMORY, ask, {"action": "delete", "key": key}, found, f"I delete {key} with memory.", f"I deleted {key}."
    )


def _keys(rng: Random) -> Need:
    ask = rng.choice(
        (
            "Which keys are in memory?",
            "List what you have stored.",
            "Use the tool memory.",
            "Use memory to list the keys.",
        )
    )
    keys = [_key(rng) for _ in range(rng.randint(0, 4))]
    found = json.dumps({"keys": keys, "count": len(keys)}, ensure_ascii=False)
    reply = f"The keys in memory: {', '.join(keys)}." if keys else "Nothing is stored."
    return Need(MEMORY, ask, {"action": "list"}, found, "I list the keys with memory.", reply)


def _encode(rng: Random) -> Need:
    text = " ".join(words.any_word(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    ask = rng.choice(
        (
            f'Encode "{text}" as base64.',
            f'What is "{text}" in base64?',
            _named(rng, "base64_encode", f"with the data {text}"),
        )
    )
    found = base64.b64encode(text.encode()).decode()
    return Need(ENCODE, ask, {"data": text}, found, "I encode the text with base64_encode.", f"In base64: {found}")


def _decode(rng: Random) -> Need:
    text = rng.choice((words.name(rng), words.coined(rng), rng.choice(words.NOUNS), words.title(rng)[:24]))
    data = base64.b64encode(text.encode()).decode()
    ask = rng.choice(
        (
            f"Decode {data}",
            f"Decode {data} from base64.",
            f'What does the base64 text "{data}" say?',
            _named(rng, "base64_decode", f"with the data {data}"),
        )
    )
    return Need(DECODE, ask, {"data": data}, text, "I decode the text with base64_decode.", f"It says: {text}")


def _choice(rng: Random) -> Need:
    drawn = rng.choice((words.name, words.any_word, words.any_word))
    pool = FRUIT if rng.random() < 0.2 else [drawn(rng) for _ in range(6)]
    picked = rng.sample(list(dict.fromkeys(pool)), rng.randint(2, min(4, len(set(pool)))))
    listed = ", ".join(picked[:-1]) + f" or {picked[-1]}"
    ask = rng.choice(
        (
            f"Pick one at random: {listed}.",
            f"Choose randomly: {listed}.",
            f"Pick one at random: {listed}?",
            _named(rng, "random_choice", f"with {listed}"),
        )
    )
    found = rng.choice(picked)
    thought = "I let random_choice pick one."
    return Need(CHOICE, ask, {"candidates": picked}, found, thought, f"I picked {found}.")


def _cat(rng: Random) -> Need:
    mood = rng.choice(list(mew.MOODS))
    told = rng.random() < 0.5
    ask = rng.choice(
        (
            f"Make the sound of a {mood} cat.",
            f"What does a {mood} cat say?",
            f"Use the tool mew_generator with mood {mood}.",
        )
        if told
        else ("Make a cat sound.", "Use the tool mew_generator.", "What does the cat say?")
    )
    said = rng.choice(mew.MOODS[mood].sounds)
    blessing = rng.choice(mew.MOODS[mood].blessings)
    found = json.dumps({"sound": said, "blessing": blessing, "mood": mood}, ensure_ascii=False)
    args = {"mood": mood} if told else {}
    return Need(MEW, ask, args, found, "I ask mew_generator for a cat sound.", f"{said} {blessing}")


def _rethink(rng: Random) -> Need:
    about = words.clause(rng)
    ask, thought = rng.choice(
        (
            ("Use the tool rethink.", "I think about what the user wants."),
            (f"Think about this with rethink: {about}", about),
            (f'Use rethink for the thought "{about}".', about),
        )
    )
    return Need(
        RETHINK,
        ask,
        {"thought": thought},
        rethink.ANSWER,
        "I write the thought down with rethink.",
        "I have thought about it.",
    )


def _fetch(rng: Random) -> Need:
    host = rng.choice(
        (f"{words.coined(rng)}.example", f"www.{words.coined(rng)}.com", f"127.0.0.1:{rng.randint(1024, 65535)}")
    )
    url = f"{rng.choice(('http', 'https'))}://{host}/{rng.choice((words.coined(rng), rng.choice(words.NOUNS), ''))}"
    title, text = words.title(rng), words.sentence(rng)
    ask = rng.choice(
        (f"Read {url}", f"What does the page {url} say?", f"Fetch {url}", _named(rng, "fetch", f"to read {url}"))
    )
    found = f"URL: {url}\nTitle: {title}\n\n{text}"
    return Need(FETCH, ask, {"url": url}, found, f"I fetch {url}.", f"The page {title} says: {text}")


def _moved(rng: Random) -> Need:
    day, found, days = words.day(rng), words.day(rng), rng.choice((rng.randint(1, 99), rng.randint(1, 999)))
    operation, ask = rng.choice(
        (
            ("add", f"What date is {days} days after {day}?"),
            ("add", f"Add {days} days to {day}."),
            ("subtract", f"What date was {days} days before {day}?"),
            ("subtract", f"Subtract {days} days from {day}."),
        )
    )
    args = {"operation": operation, "date": day, "days": days}
    return Need(DATE, ask, args, found, "I count with the tool date.", f"It is {found}.")


def _zone(rng: Random) -> Need:
    zone, found = rng.choice(ZONES), f"{words.day(rng)} {words.clock(rng)}"
    ask = rng.choice((f"What time is it in the zone {zone}?", f"Tell me the time in {zone}."))
    args = {"operation": "time", "zone": zone}
    return Need(DATE, ask, args, found, f"I ask date for the time in {zone}.", f"In {zone} it is {found}.")


def _program(rng: Random) -> Need:
    a, b = rng.randint(2, 999), rng.randint(2, 999)
    python = rng.random() < 0.6
    inner = rng.choice((f"{a} * {b}", f"{a}+{b}", f"'{words.coined(rng)}'", f"{a} - {b}"))
    program = f"print({inner})" if python else f"console.log({inner})"
    tool, name = (PYTHON, "code_runner") if python else (JAVASCRIPT, "quickjs")
    found = rng.choice((str(rng.randint(2, 99999)), words.coined(rng)))
    language = "Python" if python else "JavaScript"
    ask = rng.choice(
        (f"Run this {language}: {program}", f"Run {program} with {name}.", f"What does {program} print in {language}?")
    )
    return Need(tool, ask, {"code": program}, found, f"I run the program with {name}.", f"It prints: {found}")


ASKED: tuple[Callable[[Random], Need], ...] = (
    *(_convert, _convert, _convert, _store, _retrieve, _forget, _keys, _encode, _decode, _decode, _choice, _choice),
    *(_cat, _rethink, _fetch, _moved, _zone, _program),
)
OFFICIAL: tuple[Tool, ...] = (CONVERT, MEMORY, MEW, CHOICE, RETHINK, FETCH, DATE, ENCODE, DECODE, PYTHON, JAVASCRIPT)


def by_official(rng: Random) -> Row:
    """One to four questions, each through an official tool; others of them stand beside it."""
    chosen = style(rng)
    turns, tools, messages = turns_of(rng, chosen), {}, opening(rng)
    for index in range(turns):
        need = rng.choice(ASKED)(rng)
        name = need.tool["function"]["name"]
        tools.setdefault(name, need.tool)
        messages += [user(need.ask), calls(need.thought, index, (name, compact(need.arguments)))]
        if rng.random() < 0.06:
            error = f"Error: {words.clause(rng)}"
            messages += [
                result(name, index, error),
                says("The tool failed. I say so.", f"The tool {name} failed: {error}"),
            ]
        else:
            messages += [result(name, index, need.returned), says("I have the result and can answer.", need.reply)]
    listed = dict(tools)
    if {"base64_encode", "base64_decode"} & set(tools):
        listed |= {"base64_encode": ENCODE, "base64_decode": DECODE}
    for other in rng.sample(OFFICIAL, rng.choice((0, 0, 1, 3))):
        listed.setdefault(other["function"]["name"], other)
    shuffled: list[Any] = list(listed.values())
    rng.shuffle(shuffled)
    given = shuffled if rng.random() < 0.8 else declared(rng, shuffled, most=1)
    row = Row(messages, given, chosen, keep_all=chosen == "kimi-k2.6" and turns > 1)
    return finish(rng, row) if turns == 1 else row


NAMES = frozenset(tool["function"]["name"] for tool in OFFICIAL)
