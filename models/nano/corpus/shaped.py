"""JSON answers: to the schema of the request, and where the user names the keys; answers begun by the request."""

from random import Random
from typing import Any

from corpus import words
from corpus.calls import opening, style
from corpus.row import STYLES, Message, Row, says, user
from corpus.tools import PARAMETERS, compact, taking

SHORT = [start for start in words.STARTS if len(start) < 4]
"""Pieces that words begin with."""


def _field(rng: Random) -> tuple[str, dict[str, Any], Any]:
    """(key, its schema, its value)"""
    draw = rng.random()
    key = rng.choice(PARAMETERS) if rng.random() < 0.6 else rng.choice((words.identifier(rng), rng.choice(words.NOUNS)))
    if draw < 0.5:
        value = rng.choice((words.name(rng), words.some(rng, 1, 4), words.some(rng, 2, 4), words.coined(rng)))
        return key, {"type": "string"}, value
    if draw < 0.75:
        return key, {"type": "integer"}, words.integer(rng)
    if draw < 0.85:
        return key, {"type": "boolean"}, rng.random() < 0.5
    if draw < 0.93:
        listed = [words.any_word(rng) for _ in range(rng.randint(2, 3))]
        return key, {"type": "array", "items": {"type": "string"}}, listed
    options = [words.coined(rng) for _ in range(3)]
    return key, {"type": "string", "enum": options}, rng.choice(options)


def _spoken(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)


def _person(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(text, schema, answer) of a sentence about somebody."""
    person, age, city = words.name(rng), rng.randint(1, 99), words.name(rng)
    text = rng.choice(
        (
            f"{person} is {age} years old and lives in {city}.",
            f"{person}, {age}, lives in {city}.",
            f"My name is {person}. I am {age} and live in {city}.",
            f"{person}今年{age}岁，住在{city}。",
        )
    )
    keys = rng.sample(("name", "age", "city"), rng.randint(2, 3))
    kinds = {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}}
    values: dict[str, Any] = {"name": person, "age": age, "city": city}
    return text, {key: kinds[key] for key in keys}, {key: values[key] for key in keys}


def _fields(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    fields = {key: (schema, value) for key, schema, value in (_field(rng) for _ in range(rng.randint(1, 4)))}
    joint, between = rng.choice(((": ", "; "), (" is ", ", "), (" = ", "\n"), (": ", "\n")))
    text = between.join(f"{key}{joint}{_spoken(value)}" for key, (_, value) in fields.items())
    return (
        text,
        {key: schema for key, (schema, _) in fields.items()},
        {key: value for key, (_, value) in fields.items()},
    )


def _ask(rng: Random, text: str) -> str:
    return rng.choice(
        (
            f"Extract the data: {text}",
            f"Extract the data as JSON: {text}",
            f"Read this and answer in JSON.\n{text}",
            f"{text}\nGive me this as JSON.",
            f"Fill in the form: {text}",
            text,
        )
    )


def shaped(rng: Random) -> Row:
    """One request with a schema, or with the keys in its text."""
    text, properties, values = (_person if rng.random() < 0.35 else _fields)(rng)
    row = Row([], [], style(rng))
    order = list(properties)
    rng.shuffle(order)
    answer = compact({key: values[key] for key in order})
    if rng.random() < 0.75:
        ask = _ask(rng, text)
        row.schema = taking({key: properties[key] for key in order}, order)
        if rng.random() < 0.5:
            row.schema["additionalProperties"] = False
    else:
        ask = rng.choice(
            (
                f"{text}\nAnswer in JSON with the keys {', '.join(order)}.",
                f"Extract {', '.join(order)} as JSON: {text}",
            )
        )
    thought = rng.choice(("I answer with the JSON object that is asked for.", "The answer is one JSON object."))
    row.messages = [*opening(rng), user(ask), says(thought, answer)]
    row.facts = (answer,)
    if row.style == "kimi-k2.6" and rng.random() < 0.25:
        row.thinking = False
        row.messages[-1]["reasoning_content"] = ""
    return row


def listed(rng: Random) -> Row:
    """Words as a JSON list, and back: inside quotes a word has other tokens than after a space."""
    messages = opening(rng)
    for _ in range(rng.randint(1, 3)):
        picked = [_listed_word(rng) for _ in range(rng.randint(2, 12))]
        joint = rng.choice((" ", ", ", ", ", "; ", "\n"))
        plain, quoted = joint.join(picked), compact(picked)
        if rng.random() < 0.75:
            ask = rng.choice(
                (
                    "As a JSON list: {}",
                    "Write these words as a JSON list: {}",
                    "JSON list of {}",
                    "Put {} in a JSON list.",
                )
            )
            messages += [user(ask.format(plain)), says("The answer is a JSON list.", quoted)]
        else:
            plain = " ".join(picked)
            ask = rng.choice(("Write this list as plain words: {}", "Only the words: {}"))
            messages += [user(ask.format(quoted)), says("I write the words with spaces.", plain)]
    chosen = rng.choices(STYLES, (1, 6, 2, 2))[0]
    return Row(messages, [], chosen, keep_all=chosen == "kimi-k2.6" and rng.random() < 0.95)


def _listed_word(rng: Random) -> str:
    """Mostly with a short piece at its start, as a word has that was never seen."""
    draw = rng.random()
    if draw < 0.5:
        word = rng.choice(SHORT) + rng.choice(words.PARTS)
        return word[:1].upper() + word[1:] if rng.random() < 0.3 else word
    if draw < 0.6:
        return rng.choice(words.STARTS)
    if draw < 0.75:
        return words.coined(rng, 1, 3)
    if draw < 0.85:
        return words.name(rng)
    return words.any_word(rng)


def begun(rng: Random) -> Row:
    """The request holds the first words of the answer (`partial`), and the model goes on from there."""
    draw = rng.random()
    if draw < 0.35:
        text = (
            words.sentence(rng)
            if rng.random() < 0.5
            else " ".join(words.any_word(rng) for _ in range(rng.randint(3, 9)))
        )
        ask = rng.choice((f"Repeat: {text}", f"Say exactly: {text}", f'Repeat: "{text}"'))
        cut = rng.choice([n for n, mark in enumerate(text) if mark == " "])
        answer = text
    elif draw < 0.7:
        text, _, values = (_person if rng.random() < 0.5 else _fields)(rng)
        answer = compact(values)
        ask = f"{text}\nAnswer in JSON with the keys {', '.join(values)}."
        cut = rng.choice((1, 1, answer.index(":") + 1))
    else:
        top = rng.choice((5, 10, 10))
        answer = ", ".join(str(n) for n in range(1, top + 1))
        ask = rng.choice((f"Count to {'five' if top == 5 else 'ten'}.", f"Count from 1 to {top}."))
        cut = rng.choice([n for n, mark in enumerate(answer) if mark == ","])
    message: Message = says("", answer)
    row = Row([*opening(rng), user(ask), message], [], style(rng), given=answer[:cut], facts=(answer,))
    row.thinking = row.style != "kimi-k2.6" or rng.random() < 0.6
    return row
