"""Random request bodies: conversations that keep the rules and that break them, with marks and odd characters in every
text that a client fills, over every card and thinking control, with tools and schemas (contract.md 1.1 to 1.7)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from moonbase.contract.cards import CARDS
from moonbase.contract.formats import KIMI

Json = dict[str, Any]
Values = st.SearchStrategy[Any]
MODELS = {card.id: card for card in CARDS}
KIMI_MARKS = ["<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>", "[EOS]", *KIMI.marks()]
OTHER_MARKS = ["<|im_start|>", "<tool_call>", "</tool_call>", "<|eot_id|>", "<|start_header_id|>", "<|python_tag|>"]
ODD = [
    "\x00",
    "\ue0f0",
    "\ue0f3",
    "\u2028",
    "\u202e",
    "\ufffd",
    "e\u0301\u0302",
    "👩‍👩‍👧",
    "\U0010ffff",
    "\\",
    '"',
    "{{ 1 }}",
    "*/",
]

TEXT: Values = st.lists(
    st.sampled_from(KIMI_MARKS) | st.sampled_from(OTHER_MARKS) | st.sampled_from(ODD) | st.text(max_size=4), max_size=4
).map("".join)
SAID: Values = TEXT.filter(str.strip)
NAMES: Values = st.sampled_from(["f", "get_weather", "web-search", "_x"])
PART: Values = SAID.map(lambda text: {"type": "text", "text": text})
CONTENT: Values = SAID | st.lists(PART, min_size=1, max_size=2)

SCALAR: Values = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "number", "integer", "boolean", "null"])},
        optional={"description": TEXT, "title": TEXT, "format": TEXT},
    ),
    st.fixed_dictionaries({"type": st.just("string"), "enum": st.lists(TEXT, min_size=1, max_size=3, unique=True)}),
    st.just({"$ref": "#/$defs/a"}),
)
WILD: Values = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from([["string", "null"], "odd", 3])},
        optional={"minLength": st.integers(-1, 5), "maximum": st.floats(allow_nan=False, allow_infinity=False)},
    ),
    st.fixed_dictionaries({"enum": st.lists(TEXT | st.integers() | st.none(), max_size=3)}),
    st.fixed_dictionaries({"$ref": st.sampled_from(["#", "#/$defs/none", "https://x/y", ""])}),
    st.just({}),
)


def _inside(inner: Values) -> Values:
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(SAID | NAMES, inner, max_size=3)},
            optional={"additionalProperties": st.booleans()},
        ),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}, optional={"description": TEXT}),
    )


def parameters(leaf: Values) -> Values:
    schema: Values = st.recursive(leaf, _inside, max_leaves=5)
    return st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(SAID | NAMES, schema, max_size=3),
            "$defs": st.fixed_dictionaries({"a": st.just({"type": "string"})}),
        },
        optional={"description": TEXT},
    )


def tools(leaf: Values) -> Values:
    function = st.fixed_dictionaries(
        {"name": NAMES},
        optional={"description": TEXT, "parameters": parameters(leaf), "strict": st.sampled_from([True, False, None])},
    )
    tool: Values = function.map(lambda value: {"type": "function", "function": value})
    return st.lists(tool, max_size=2, unique_by=lambda value: value["function"]["name"])


TAME_TOOLS, WILD_TOOLS = tools(SCALAR), tools(SCALAR | WILD)
TAME: Values = st.fixed_dictionaries(
    {"tools": st.none() | TAME_TOOLS},
    optional={
        "thinking": st.sampled_from([None, {"type": "enabled"}, {"type": "enabled", "keep": None}]),
        "tool_choice": st.sampled_from(["auto", "none", None]),
        "response_format": st.sampled_from([None, {"type": "text"}, {"type": "json_object"}])
        | parameters(SCALAR).map(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        ),
        "stop": SAID.filter(lambda text: len(text.encode()) <= 32),
        "max_tokens": st.sampled_from([1, 100, 10**12]),
    },
)
LOOSE: Values = st.fixed_dictionaries(
    {"tools": st.none() | WILD_TOOLS},
    optional={
        "thinking": st.fixed_dictionaries(
            {"type": st.sampled_from(["enabled", "disabled", "on"])},
            optional={"keep": st.sampled_from(["all", "some"]), "effort": st.sampled_from(["low", "odd", None])},
        ),
        "tool_choice": st.sampled_from(["required", "odd", {"type": "function", "function": {"name": "f"}}]),
        "reasoning_effort": st.sampled_from(["low", "high", "max", "odd", None]),
        "response_format": st.sampled_from([{"type": "xml"}, {}, {"type": "json_schema"}])
        | parameters(SCALAR | WILD).map(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        ),
        "stop": st.lists(TEXT, max_size=6),
        "max_tokens": st.sampled_from([0, -1, 10**30]),
    },
)


@st.composite
def call(draw: st.DrawFn, id: str) -> Json:
    arguments = draw(st.sampled_from(["{}", '{"a":"é"}', "", "[" * 2000]) | TEXT)
    return {"id": id, "type": "function", "function": {"name": draw(NAMES | SAID), "arguments": arguments}}


@st.composite
def turn(draw: st.DrawFn, number: int) -> list[Json]:
    """What stands between two user messages: any number of tool loops, then an answer."""
    messages: list[Json] = []
    for loop in range(draw(st.integers(0, 2))):
        ids = [f"{draw(TEXT)}{number}.{loop}.{index}" for index in range(draw(st.integers(1, 2)))]
        made: Json = {
            "role": "assistant",
            "tool_calls": [draw(call(id)) for id in ids],
            "reasoning_content": draw(TEXT),
        }
        if draw(st.booleans()):
            made["content"] = draw(CONTENT | st.sampled_from(["", None]))
        messages += [made, *({"role": "tool", "tool_call_id": id, "content": draw(CONTENT)} for id in ids)]
    messages.append({"role": "assistant", "content": draw(CONTENT), "reasoning_content": draw(TEXT)})
    return messages


@st.composite
def conversation(draw: st.DrawFn) -> list[Json]:
    """One that keeps the rules of contract.md 1.4."""
    messages: list[Json] = [{"role": "system", "content": draw(CONTENT)}] if draw(st.booleans()) else []
    for number in range(draw(st.integers(0, 2))):
        messages += [{"role": "user", "content": draw(CONTENT)}, *draw(turn(number))]
    if messages and messages[-1]["role"] == "assistant" and draw(st.booleans()):
        messages[-1]["partial"] = True
    else:
        messages.append({"role": "user", "content": draw(CONTENT)})
    for message in messages:
        if draw(st.integers(0, 4)) == 0:
            message["name"] = draw(SAID)
    return messages


ANYTHING: Values = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "robot"])},
    optional={
        "content": CONTENT | st.sampled_from(["", None, [], 3, "\ud800", [{"type": "text", "text": ""}]]),
        "name": TEXT | st.just("\udfff"),
        "reasoning_content": TEXT | st.none(),
        "tool_calls": st.none() | st.lists(call("c"), max_size=2),
        "tool_call_id": st.sampled_from(["c", "", None]) | TEXT,
        "partial": st.booleans(),
        "tools": st.none() | WILD_TOOLS,
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> Json:
    """Half keep the rules; the others have messages put in or taken out, and fields that few models take."""
    body: Json = {"model": draw(st.sampled_from(sorted(MODELS))), "messages": draw(conversation()), **draw(TAME)}
    messages = body["messages"]
    if body["model"] == "kimi-k3" and draw(st.booleans()):
        messages.insert(draw(st.integers(0, 1)), {"role": "system", "tools": draw(TAME_TOOLS)})
    if draw(st.booleans()):
        for _ in range(draw(st.integers(0, 2))):
            at = draw(st.integers(0, len(messages)))
            messages[at : at + draw(st.integers(0, 1))] = draw(st.lists(ANYTHING, max_size=1))
        body |= draw(LOOSE)
    return body
