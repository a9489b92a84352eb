"""Tool declarations: the two official ones of the news program, and any number of coined ones."""

import copy
import json
from random import Random
from typing import Any

from corpus import words
from moonbase.contract.tools import Function
from moonbase.tools.official import date, web_search

Tool = dict[str, Any]


def declare(name: str, description: str | None, parameters: dict[str, Any] | None) -> Tool:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def taking(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """The schema of a tool's parameters."""
    return {"type": "object", "properties": properties, "required": required}


def official(function: Function) -> Tool:
    return declare(function.name, function.description, function.parameters)


DATE, WEB_SEARCH = official(date.FUNCTION), official(web_search.FUNCTION)


def _shuffled_description(rng: Random, tool: Tool) -> Tool:
    changed = copy.deepcopy(tool)
    function = changed["function"]
    if rng.random() < 0.5:
        function["description"] = rng.choice(
            {
                "date": ["Work with dates and times.", "Current time and date arithmetic.", "Tells the date."],
                "web_search": [
                    "Search the web.",
                    "Find news and pages on the web.",
                    "Web search for fresh information.",
                ],
            }[function["name"]]
        )
    properties = function["parameters"]["properties"]
    if rng.random() < 0.5:
        for key in [k for k in properties if k not in function["parameters"]["required"]]:
            if rng.random() < 0.6:
                del properties[key]
    if rng.random() < 0.4:
        for value in properties.values():
            value.pop("description", None)
    return changed


def date_tool(rng: Random) -> Tool:
    """The official date tool, as it is four times in ten."""
    return DATE if rng.random() < 0.4 else _shuffled_description(rng, DATE)


def search_tool(rng: Random) -> Tool:
    return WEB_SEARCH if rng.random() < 0.4 else _shuffled_description(rng, WEB_SEARCH)


TOOL_VERBS, PARAMETERS = words.LISTS["tool_verbs"], words.LISTS["parameters"]


def coined_tool(rng: Random, name: str | None = None, most: int = 3) -> Tool:
    """A tool that exists nowhere, with up to `most` parameters."""
    verb = rng.choice(TOOL_VERBS)
    wanted = name or rng.choice(
        (words.identifier(rng), f"{verb.lower()}_{words.identifier(rng)}", f"{verb.lower()}_{rng.choice(words.NOUNS)}")
    )
    article, tail = rng.choice(("the", "a", "one")), rng.choice(("", " for the user", " by name", " now"))
    description = f"{verb} {article} {rng.choice(words.NOUNS)}{tail}."
    properties: dict[str, Any] = {}
    for _ in range(rng.randint(0 if most > 1 else 1, most)):
        key = rng.choice(PARAMETERS) if rng.random() < 0.7 else words.identifier(rng)
        kind = rng.choices(("string", "integer", "number", "boolean", "array", "object"), (60, 22, 8, 14, 6, 4))[0]
        properties[key] = {"type": kind}
        if kind == "array":
            properties[key]["items"] = {"type": rng.choice(("string", "integer"))}
        if rng.random() < 0.4:
            properties[key]["description"] = f"The {rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)}."
        if kind == "string" and rng.random() < 0.12:
            properties[key]["enum"] = [words.coined(rng) for _ in range(rng.randint(2, 4))]
    required = [key for key in properties if rng.random() < 0.7]
    return declare(wanted, description, taking(properties, required))


def arguments(rng: Random, tool: Tool) -> dict[str, Any]:
    """Arguments that fit the tool's declaration: every required one and some of the others."""
    parameters = tool["function"]["parameters"]
    made: dict[str, Any] = {}
    for key, schema in parameters["properties"].items():
        if key not in parameters["required"] and rng.random() < 0.5:
            continue
        if "enum" in schema:
            made[key] = rng.choice(schema["enum"])
        elif schema["type"] == "integer":
            made[key] = words.integer(rng)
        elif schema["type"] == "number":
            made[key] = round(rng.uniform(0, 100), rng.randint(1, 2))
        elif schema["type"] == "boolean":
            made[key] = rng.random() < 0.5
        elif schema["type"] == "array":
            made[key] = _listed(rng, schema["items"])
        elif schema["type"] == "object":
            made[key] = {rng.choice(PARAMETERS): string_value(rng) for _ in range(rng.randint(1, 2))}
        else:
            made[key] = string_value(rng)
            if rng.random() < 0.1:
                made[key] = _near(rng, tool["function"]["name"], key, made[key])
    return made


def _near(rng: Random, name: str, key: str, value: str) -> str:
    """A value with a word of the tool's name or of the parameter's in it: the place to copy from is not unique."""
    word = rng.choice((key, *name.split("_")))
    return rng.choice((word, f"{word} {value}", f"{value} {word}", f"{word.capitalize()} {value}", f"{word}{value}"))


def _listed(rng: Random, items: dict[str, Any]) -> list[Any]:
    if "enum" in items:
        return [rng.choice(items["enum"])]
    if items["type"] == "integer":
        return [rng.randint(0, 999) for _ in range(rng.randint(1, 4))]
    return [rng.choice((words.name(rng), words.any_word(rng))) for _ in range(rng.randint(1, 3))]


def string_value(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.3:
        return words.name(rng)
    if draw < 0.45:
        return words.coined(rng)
    if draw < 0.75:
        return words.some(rng, 2, 6)
    if draw < 0.85:
        return words.day(rng)
    if draw < 0.93:
        return f"{words.coined(rng)}/{words.coined(rng)}.{rng.choice(('txt', 'py', 'md', 'json'))}"
    return f"{words.coined(rng, 1, 1).upper()}-{rng.randint(1, 9999)}"


def compact(value: Any) -> str:
    """JSON as the model writes it: no space between the marks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
