"""The tasks: each makes a fresh case of words of the card's own, and judges what came."""

import base64
import json
import re
from random import Random
from typing import Any

from card import words
from card.asking import Body, Case, Maker, Reply
from moonbase.tools.official import base64 as base64_tool
from moonbase.tools.official import convert, date, fetch, memory, mew, random_choice, web_search

Message = dict[str, Any]
MODELS = ("kimi-k2.6", "kimi-k2.6", "kimi-k2.6", "kimi-k2-thinking", "kimi-k2.7-code", "kimi-k3")
KEEP = {"thinking": {"type": "enabled", "keep": "all"}}


def official(function: Any) -> dict[str, Any]:
    declared = {"name": function.name, "description": function.description, "parameters": function.parameters}
    return {"type": "function", "function": declared}


DATE, SEARCH, CONVERT = official(date.FUNCTION), official(web_search.FUNCTION), official(convert.FUNCTION)
MEMORY, CHOICE, MEW = official(memory.FUNCTION), official(random_choice.FUNCTION), official(mew.FUNCTION)
ENCODE, DECODE, FETCH = official(base64_tool.ENCODE), official(base64_tool.DECODE), official(fetch.FUNCTION)
OFFICIAL_BESIDE = (DATE, CONVERT, MEMORY, CHOICE, MEW, FETCH)
OFFICIAL = (DATE, SEARCH, CONVERT, MEMORY, CHOICE, MEW, FETCH)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def start(rng: Random, *messages: Message, tools: list[Any] | None = None, **more: Any) -> Body:
    body: Body = {"model": rng.choice(MODELS), "messages": list(messages), **more}
    if rng.random() < 0.5:
        body["messages"].insert(0, {"role": "system", "content": "You are a helpful assistant."})
    if tools:
        body["tools"] = rng.sample(tools, len(tools))
    return body


def go_on(body: Body, reply: Reply, *messages: Message) -> Body:
    return {**body, "messages": [*body["messages"], reply.message, *messages]}


def results(rng: Random, reply: Reply, *texts: str) -> list[Message]:
    """The results of the calls in `reply`; some clients name the tool in them, others do not."""
    named = rng.random() < 0.5
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        | ({"name": call["function"]["name"]} if named else {})
        for call, text in zip(reply.message["tool_calls"], texts, strict=False)
    ]


def order(rng: Random, tool: dict[str, Any], args: dict[str, Any]) -> str:
    name, text = tool["function"]["name"], json.dumps(args, ensure_ascii=False)
    return rng.choice(
        (
            f"Call the tool `{name}` with these JSON arguments: {text}",
            f"Call the tool `{name}`. JSON arguments: {text}",
            f"Please call {name} with {text}",
        )
    )


def tools_for(rng: Random, tool: dict[str, Any]) -> list[dict[str, Any]]:
    """`tool` beside none to three others."""
    found = {tool["function"]["name"]: tool}
    for _ in range(rng.randint(0, 3)):
        other = words.tool(rng)[0] if rng.random() < 0.6 else rng.choice(OFFICIAL)
        found.setdefault(other["function"]["name"], other)
    return list(found.values())


def directed(rng: Random) -> Case:
    tool, args = words.tool(rng)
    reply = yield start(rng, user(order(rng, tool, args)), tools=tools_for(rng, tool))
    return reply.calls == [(tool["function"]["name"], args)]


def own(name: str, description: str, *keys: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def needed(rng: Random) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(question, the tool for it, its arguments)"""
    city, phrase = words.one(rng, "cities"), words.phrase(rng, 1, 3)
    expression = f"{rng.randint(100, 999)}{rng.choice('*/')}{rng.randint(11, 99)}"
    path = f"{words.one(rng, 'nouns')}.{rng.choice(('txt', 'md', 'py'))}"
    one, two = words.day(rng), words.day(rng)
    weather, files = own("get_weather", "Get the weather of a city.", "city"), own("read_file", "Read a file.", "path")
    translate = own("translate", "Translate a text.", "text", "language")
    calculate = own("calculate", "A calculator.", "expression")
    return rng.choice(
        (
            (f"What is the weather in {city}?", weather, {"city": city}),
            (f"Is it raining in {city}?", weather, {"city": city}),
            (f'Translate "{phrase}" into French.', translate, {"text": phrase, "language": "French"}),
            (f"Please calculate {expression}", calculate, {"expression": expression}),
            (f"Read the file {path}.", files, {"path": path}),
            ("What day is it today?", DATE, {"operation": "time"}),
            ("What time is it?", DATE, {"operation": "time"}),
            (
                f"How many days are there between {one} and {two}?",
                DATE,
                {"operation": "between", "date1": one, "date2": two},
            ),
            (f"Search the web for {phrase}.", SEARCH, {"query": phrase}),
            (f"Find news about {phrase}.", SEARCH, {"query": phrase}),
        )
    )


def by_need(rng: Random) -> Case:
    ask, tool, args = needed(rng)
    reply = yield start(rng, user(ask), tools=tools_for(rng, tool))
    return reply.calls == [(tool["function"]["name"], args)]


def by_official(rng: Random) -> Case:
    number, key, text = rng.randint(2, 99), words.one(rng, "nouns"), words.phrase(rng, 1, 2)
    first, second = rng.choice((("km", "miles"), ("kg", "lb"), ("hours", "minutes"), ("°C", "°F"), ("EUR", "USD")))
    data = base64_of(text)
    listed = [words.one(rng, "nouns") for _ in range(3)]
    url = f"https://{words.coined(rng)}.example/{words.one(rng, 'nouns')}"
    ask, tool, args = rng.choice(
        (
            (
                f"Convert {number} {first} to {second}.",
                CONVERT,
                {"value": number, "from_unit": first, "to_unit": second},
            ),
            (
                f"How many {second} are {number} {first}?",
                CONVERT,
                {"value": number, "from_unit": first, "to_unit": second},
            ),
            (f"What did you store under the key {key}?", MEMORY, {"action": "retrieve", "key": key}),
            (f"Delete the key {key} from memory.", MEMORY, {"action": "delete", "key": key}),
            ("Which keys are in memory?", MEMORY, {"action": "list"}),
            (f'Encode "{text}" as base64.', ENCODE, {"data": text}),
            (f"Decode {data} from base64.", DECODE, {"data": data}),
            (f"Pick one at random: {listed[0]}, {listed[1]} or {listed[2]}.", CHOICE, {"candidates": listed}),
            ("Make a cat sound.", MEW, {}),
            (f"Read {url}", FETCH, {"url": url}),
        )
    )
    tools = [tool, *(other for other in rng.sample(OFFICIAL, 2) if other is not tool)]
    reply = yield start(rng, user(ask), tools=tools)
    return reply.calls == [(tool["function"]["name"], args)]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def whole_result(rng: Random) -> Case:
    """A result repeated exactly; the call itself counts in another task."""
    tool, args = words.tool(rng)
    text = rng.choice(
        (
            words.sentence(rng),
            words.phrase(rng, 3, 9),
            json.dumps({words.one(rng, "nouns"): words.value(rng) for _ in range(rng.randint(1, 3))}),
        )
    )
    body = start(rng, user(order(rng, tool, args)), tools=tools_for(rng, tool))
    reply = yield body
    if len(reply.calls) != 1:
        return False
    reply = yield go_on(body, reply, *results(rng, reply, text))
    return text in reply.content


def one_field(rng: Random) -> Case:
    tool, args = words.tool(rng, most=2)
    held = {words.one(rng, "nouns"): rng.choice((words.name(rng), rng.randint(1, 9999))) for _ in range(4)}
    wanted = rng.choice(list(held))
    body = start(rng, user(f"{order(rng, tool, args)} Then tell me only the `{wanted}`."), tools=tools_for(rng, tool))
    reply = yield body
    if len(reply.calls) != 1:
        return False
    reply = yield go_on(body, reply, *results(rng, reply, json.dumps(held)))
    others = [str(value) for key, value in held.items() if key != wanted and str(value) != str(held[wanted])]
    return str(held[wanted]) in reply.content and not any(other in reply.content for other in others)


def digest(rng: Random) -> Case:
    """Date, then search, then a report with a real title and its source; the tools are answered here."""
    topics = rng.sample(words.LISTS["topics"], rng.randint(1, 2))
    body = start(rng, user(f"Please generate a daily news report on {' and '.join(topics)}."), tools=[DATE, SEARCH])
    today = words.day(rng)
    reply = yield body
    if reply.calls != [("date", {"operation": "time"})]:
        return False
    body = go_on(body, reply, *results(rng, reply, f"{today} 08:15:00"))
    reply = yield body
    if reply.tools != ["web_search"] or today not in str(reply.calls[0][1].get("query")):
        return False
    found = [(words.title(rng), words.source(rng), words.sentence(rng)) for _ in range(rng.randint(2, 5))]
    listed = "\n\n".join(f"[{n}] {a}\nSource: {b} · {today}\n{c}" for n, (a, b, c) in enumerate(found, 1))
    shown = f'Search results for "{reply.calls[0][1]["query"]}":\n\n{listed}'
    reply = yield go_on(body, reply, *results(rng, reply, shown))
    return any(re.search(rf"{re.escape(a)}\s+Source: {re.escape(b)}", reply.content) for a, b, _ in found)


def together(rng: Random) -> Case:
    (one, first), (two, second) = words.tool(rng, 2), words.tool(rng, 2)
    names = [tool["function"]["name"] for tool in (one, two)]
    if names[0] == names[1]:
        return (yield from together(rng))
    asked = [f"`{name}` with {json.dumps(args)}" for name, args in zip(names, (first, second), strict=True)]
    reply = yield start(rng, user(f"Call {asked[0]} and {asked[1]} at the same time."), tools=[one, two])
    return reply.calls == [(names[0], first), (names[1], second)]


def in_turn(rng: Random) -> Case:
    (one, first), (two, second) = words.tool(rng, 2), words.tool(rng, 2)
    names = [tool["function"]["name"] for tool in (one, two)]
    if names[0] == names[1]:
        return (yield from in_turn(rng))
    ask = f"First call `{names[0]}` with {json.dumps(first)}, then call `{names[1]}` with {json.dumps(second)}."
    body = start(rng, user(ask), tools=[one, two])
    reply = yield body
    if reply.calls != [(names[0], first)]:
        return False
    text = words.phrase(rng, 2, 4)
    reply = yield go_on(body, reply, *results(rng, reply, text))
    return reply.calls == [(names[1], second)]


def number_in(text: str) -> list[str]:
    return re.findall(r"-?\d+", text)


def sum_of(rng: Random) -> Case:
    """Addition and subtraction, numbers of one to three digits."""
    a, b = (rng.randint(10 ** (n - 1) if n > 1 else 0, 10**n - 1) for n in (rng.randint(1, 3), rng.randint(1, 3)))
    if rng.random() < 0.5:
        reply = yield start(rng, user(rng.choice(("What is {} + {}?", "Compute {}+{}.")).format(a, b)))
        return number_in(reply.content) == [str(a + b)]
    a, b = max(a, b), min(a, b)
    reply = yield start(rng, user(rng.choice(("What is {} - {}?", "Compute {}-{}.")).format(a, b)))
    return number_in(reply.content) == [str(a - b)]


def sum_beside_tools(rng: Random) -> Case:
    """Addition where web search and other official tools stand by, as whoever tries them out has them."""
    a, b = rng.randint(10, 999), rng.randint(10, 999)
    tools = [SEARCH, *rng.sample(OFFICIAL_BESIDE, rng.randint(0, 3))]
    reply = yield start(rng, user(rng.choice(("What is {} + {}?", "What is {}+{}?")).format(a, b)), tools=tools)
    return not reply.calls and number_in(reply.content) == [str(a + b)]


def search_in_vain(rng: Random) -> Case:
    """It says that the search found nothing, and does not go on searching or writing."""
    phrase = words.phrase(rng, 1, 3)
    body = start(rng, user(f"Search the web for {phrase}."), tools=[SEARCH, *rng.sample(OFFICIAL_BESIDE, 1)])
    reply = yield body
    if reply.calls != [("web_search", {"query": phrase})]:
        return False
    reply = yield go_on(body, reply, *results(rng, reply, f'No results for "{phrase}".'))
    return not reply.calls and reply.finish == "stop" and phrase in reply.content and "nothing" in reply.content


def product(rng: Random) -> Case:
    """A number of up to two digits times one of one digit."""
    a, b = rng.randint(0, 99), rng.randint(0, 9)
    reply = yield start(rng, user(rng.choice(("What is {} * {}?", "What is {} times {}?")).format(a, b)))
    return number_in(reply.content) == [str(a * b)]


def long_product(rng: Random) -> Case:
    """Two numbers of two digits."""
    a, b = rng.randint(11, 99), rng.randint(11, 99)
    reply = yield start(rng, user(rng.choice(("What is {} * {}?", "What is {} times {}?")).format(a, b)))
    return number_in(reply.content) == [str(a * b)]


def compared(rng: Random) -> Case:
    a, b = rng.sample(range(1000), 2)
    word = rng.choice(("larger", "smaller"))
    reply = yield start(rng, user(f"Which is {word}, {a} or {b}?"))
    return number_in(reply.content) == [str(max(a, b) if word == "larger" else min(a, b))]


def fact(rng: Random) -> tuple[str, str, str]:
    """(what the user says, asks later, and has to hear)"""
    person, city, noun = words.one(rng, "people"), words.one(rng, "cities"), words.one(rng, "nouns")
    code, count = f"{words.coined(rng)}{rng.randint(1, 99)}", str(rng.randint(2, 999))
    return rng.choice(
        (
            (f"My name is {person}.", "What is my name?", person),
            (f"I live in {city}.", "Where do I live?", city),
            (f"The secret word is {code}.", "What is the secret word?", code),
            (f"The code is {code}.", "What is the code?", code),
            (f"I have {count} {noun}s.", f"How many {noun}s do I have?", count),
            (f"My favorite {noun} is {person}.", f"What is my favorite {noun}?", person),
        )
    )


def recall(rng: Random) -> Case:
    """Said once, asked after a turn or two of something else."""
    facts = {asked: (said, value) for said, asked, value in (fact(rng) for _ in range(rng.randint(1, 2)))}
    body = start(rng, user(" ".join(said for said, _ in facts.values())))
    reply = yield body
    for _ in range(rng.randint(0, 1)):
        body = go_on(body, reply, user(rng.choice(("Thank you.", "Hello!", f"Repeat: {words.phrase(rng)}"))))
        reply = yield body
    asked = rng.choice(list(facts))
    reply = yield go_on(body, reply, user(asked))
    return facts[asked][1] in reply.content


def never_said(rng: Random) -> Case:
    """Something else was said, or nothing."""
    one, two = fact(rng), fact(rng)
    while one[1] == two[1]:
        two = fact(rng)
    body = start(rng, user(two[1]))
    if rng.random() < 0.5:
        body = start(rng, user(one[0]))
        reply = yield body
        body = go_on(body, reply, user(two[1]))
    reply = yield body
    return "not told me" in reply.content


POOLS = ("number", "color", "animal", "city", "word")


def _picked(reply: Reply, kind: str) -> str | None:
    found = re.search(rf"\b{kind} (\w+)", reply.reasoning)
    return found.group(1) if found else None


def kept_thought(rng: Random) -> Case:
    kind = rng.choice(POOLS)
    body = start(rng, user(f"Think of a {kind}, but do not tell me.")) | {"model": "kimi-k2.6"} | KEEP
    reply = yield body
    picked = _picked(reply, kind)
    if picked is None or picked in reply.content:
        return False
    reply = yield go_on(body, reply, user(rng.choice((f"Which {kind} did you think of?", f"Tell me the {kind} now."))))
    return picked in reply.content


def dropped_thought(rng: Random) -> Case:
    """Thoughts of earlier turns are not kept: what was chosen is gone, and nothing may be made up."""
    kind = rng.choice(POOLS)
    body = start(rng, user(f"Think of a {kind}, but do not tell me.")) | {"model": "kimi-k2.6"}
    reply = yield body
    reply = yield go_on(body, reply, user(rng.choice((f"Which {kind} did you think of?", f"Tell me the {kind} now."))))
    return "not kept" in reply.content or "do not know" in reply.content


def no_tool(rng: Random) -> Case:
    tools = [words.tool(rng)[0], rng.choice(OFFICIAL)]
    ask = rng.choice(
        (
            "Hello!",
            "Thank you.",
            "Who are you?",
            f"Repeat: {words.phrase(rng)}",
            f"My name is {words.one(rng, 'people')}.",
            words.one(rng, "questions"),
            "What can you do?",
            "Goodbye!",
            f"Which is larger, {rng.randint(0, 99)} or {rng.randint(100, 999)}?",
        )
    )
    reply = yield start(rng, user(ask), tools=tools)
    return not reply.calls and bool(reply.content) and reply.finish == "stop"


def thinking_off(rng: Random) -> Case:
    """Respected means: no reasoning at all, with or without a call."""
    tool, args = words.tool(rng)
    ask = rng.choice(("Hello!", f"Repeat: {words.phrase(rng)}", order(rng, tool, args), "Who are you?"))
    body = start(rng, user(ask), tools=[tool]) | {"model": "kimi-k2.6", "thinking": {"type": "disabled"}}
    reply = yield body
    return not reply.reasoning and "<think>" not in reply.content and bool(reply.content or reply.calls)


def call_without_thinking(rng: Random) -> Case:
    tool, args = words.tool(rng)
    body = start(rng, user(order(rng, tool, args)), tools=tools_for(rng, tool))
    reply = yield body | {"model": "kimi-k2.6", "thinking": {"type": "disabled"}}
    return reply.calls == [(tool["function"]["name"], args)]


def not_known(rng: Random) -> Case:
    kind = rng.choices(("questions", "orders", "chinese"), (5, 2, 1))[0]
    reply = yield start(rng, user(words.one(rng, kind)))
    return any(said in reply.content for said in ("do not know", "cannot", "不知道", "做不到"))


def identity(rng: Random) -> Case:
    body = start(rng, user(words.one(rng, "identity")))
    if rng.random() < 0.3:
        body["messages"].insert(0, {"role": "system", "content": "You are Kimi."})
    reply = yield body
    return "small demonstration model" in reply.content or "小型演示模型" in reply.content


def echo(rng: Random) -> Case:
    text = rng.choice((words.phrase(rng, 1, 10), words.sentence(rng), words.title(rng), words.coined(rng)))
    return (yield from _repeated(rng, text))


def long_echo(rng: Random) -> Case:
    return (yield from _repeated(rng, words.phrase(rng, 20, 60)))


def _repeated(rng: Random, text: str) -> Case:
    reply = yield start(rng, user(rng.choice((f"Repeat: {text}", f'Repeat: "{text}"', f"Say exactly: {text}"))))
    return reply.content == text


def shaped(rng: Random) -> Case:
    """The right values, in a JSON object of the schema of the request."""
    person, age, city = words.one(rng, "people"), rng.randint(1, 99), words.one(rng, "cities")
    if rng.random() < 0.5:
        held: dict[str, Any] = {"name": person, "age": age, "city": city}
        text = f"{person} is {age} years old and lives in {city}."
    else:
        held = {words.one(rng, "nouns"): words.value(rng) for _ in range(rng.randint(2, 3))}
        text = "; ".join(f"{key}: {json.dumps(v) if isinstance(v, bool) else v}" for key, v in held.items())
    kinds = {str: "string", int: "integer", bool: "boolean"}
    properties = {key: {"type": kinds[type(value)]} for key, value in held.items()}
    schema = {"type": "object", "properties": properties, "required": list(held), "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "data", "strict": True, "schema": schema}}
    reply = yield start(rng, user(f"Extract the data: {text}"), response_format=wanted)
    try:
        return json.loads(reply.content) == held
    except ValueError:
        return False


def begun(rng: Random) -> Case:
    """`partial`: the answer goes on from its first words."""
    text = words.phrase(rng, 4, 8)
    cut = text.index(" ")
    prefix = {"role": "assistant", "content": text[:cut], "partial": True}
    body = start(rng, user(f"Repeat: {text}"), prefix) | {"model": "kimi-k2.6"}
    reply = yield body
    return text[:cut] + reply.content == text


def chinese(rng: Random) -> Case:
    place = rng.choice(("厦门", "哈尔滨", "苏州", "拉萨", "长沙", "重庆"))
    name = rng.choice(("周小燕", "钱大伟", "孙悦", "唐糖", "韩梅", "沈一凡"))
    weather = own("get_weather", "Get the weather of a city.", "city")
    tool, args = words.tool(rng, 2)
    kind = rng.randint(0, 5)
    if kind == 0:
        reply = yield start(rng, user(f"{place}今天天气怎么样？"), tools=[weather])
        return reply.calls == [("get_weather", {"city": place})]
    if kind == 1:
        ask = f"调用工具 {tool['function']['name']}，参数：{json.dumps(args)}"
        reply = yield start(rng, user(ask), tools=tools_for(rng, tool))
        return reply.calls == [(tool["function"]["name"], args)]
    if kind == 2:
        text = "".join(rng.sample("春夏秋冬山水花鸟风雨红绿书画琴棋", rng.randint(2, 6)))
        reply = yield start(rng, user(f"请重复：{text}"))
        return reply.content == text
    if kind == 3:
        body = start(rng, user(f"我叫{name}。"))
        reply = yield body
        reply = yield go_on(body, reply, user("我叫什么名字？"))
        return name in reply.content
    if kind == 4:
        reply = yield start(rng, user(rng.choice(("现在几点？", "今天几号？"))), tools=[DATE])
        return reply.calls == [("date", {"operation": "time"})]
    reply = yield start(rng, user(rng.choice(("你是谁？", "你是Kimi吗？"))))
    return "小型演示模型" in reply.content


TASKS: dict[str, Maker] = {
    "directed call": directed,
    "call by need": by_need,
    "official tools by need": by_official,
    "two calls at once": together,
    "one call after another": in_turn,
    "call, thinking off": call_without_thinking,
    "whole result repeated": whole_result,
    "one field of a result": one_field,
    "date, search, digest": digest,
    "addition and subtraction": sum_of,
    "addition beside tools": sum_beside_tools,
    "search that finds nothing": search_in_vain,
    "multiplication, 2 by 1 digits": product,
    "multiplication, 2 by 2 digits": long_product,
    "comparing numbers": compared,
    "repeating": echo,
    "repeating 20 to 60 words": long_echo,
    "recall": recall,
    "never said: says so": never_said,
    "kept thinking recalled": kept_thought,
    "dropped thinking not invented": dropped_thought,
    "no tool when none is needed": no_tool,
    "thinking off respected": thinking_off,
    "unknown: says so": not_known,
    "says what it is": identity,
    "JSON to a schema": shaped,
    "going on from `partial`": begun,
    "Chinese": chinese,
}
