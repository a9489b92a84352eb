"""Schemathesis against the app over the scripted engine: whatever the document allows or forbids, no 5xx, and every
answer has a documented status, content type, headers and schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode, openapi
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from moonbase.contract.cards import CARDS
from moonbase.contract.sse import Reader
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.app import CHAT, App
from moonbase.server.messages import COUNT, MESSAGES
from moonbase.server.openapi import document
from tests.effort import PATIENCE_S, bounded
from tests.running import KEY, make_platform

# Schemathesis' own types are generic and unfinished; its values are `Any` here.
Json = dict[str, Any]
MODELS = [card.id for card in CARDS]
BODIES = ("ChatBody", "MessagesBody", "CountBody")
FORMULAS = ["moonshot/date:latest", "moonshot/web-search:latest"]
PINNED = ("temperature", "top_p", "n", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "thinking")
CHOICES = ("tools", "tool_choice", "reasoning_effort")
# What breaks a rule that no schema can say is refused with a 400, as it should be.
CHECKS: Any = checks
LENIENT: list[Any] = [CHECKS.positive_data_acceptance]
# And chat takes what its schema forbids where the hosted API does: members that it does not know (contract.md 1.1), any
# `thinking` and any effort for kimi-k3 (1.3). Uploads, lists and batches take parts, parameters and members that are
# not known, and a form has no types: the number 7 is a file of one byte.
FORGIVING: list[Any] = [*LENIENT, CHECKS.negative_data_rejection]
FEW, MANY = 8, 150
WHOLE_STREAM = 100_000
"""Schemathesis' client leaves a stream after 20 events unless told otherwise."""


def as_documented() -> Json:
    """The document, but for the stream's schema: schemathesis holds it against the events and not against their data,
    which `check_frames` does."""
    whole = copy.deepcopy(document())
    for path in (CHAT, MESSAGES):
        answers = whole["paths"][path]["post"]["responses"]["200"]["content"]
        answers["text/event-stream"] = {"schema": {"type": "object"}}
    return whole


def known_names() -> Json:
    """With the names that this server knows and no unknown members, so that more is seen than a 404."""
    named = as_documented()
    schemas = named["components"]["schemas"]
    for name in BODIES:
        schemas[name]["properties"]["model"] = {"enum": MODELS}
    for name in (
        *BODIES,
        "Message",
        "StreamOptions",
        "ThinkingControl",
        "Function",
        "Tool",
        "FunctionCall",
        "ToolCall",
    ):
        schemas[name]["additionalProperties"] = False
    for path, names in (
        ("models/{model}", MODELS),
        ("formulas/{uri}/tools", FORMULAS),
        ("formulas/{uri}/fibers", FORMULAS),
    ):
        for operation in named["paths"][f"/v1/{path}"].values():
            operation["parameters"][0]["schema"] = {"enum": names}
    return named


def likely() -> Json:
    """Narrowed to requests that every model takes: no locked parameter, no picture, plain conversations."""
    plain = known_names()
    schemas = plain["components"]["schemas"]
    for name in (*PINNED, *CHOICES):
        del schemas["ChatBody"]["properties"][name]
    message = schemas["Message"]["properties"]
    said = {"role": {"enum": ["user", "system"]}, "content": {"type": "string"}, "name": message["name"]}
    schemas["Message"] |= {"properties": said, "required": ["role", "content"]}
    return plain


def operations(app: App, whole: Json) -> list[Any]:
    schema: Any = openapi.from_dict(whole)
    schema.app = app
    schema.config.max_stream_events = WHOLE_STREAM
    found: list[Any] = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(found) == sum(len(path) for path in whole["paths"].values())
    return found


def takes_nothing(operation: Any) -> bool:
    """There is no way to send something wrong to a public route without parameters."""
    return operation.path in ("/health", "/metrics", "/openapi.json")


def takes_more(operation: Any) -> bool:
    return operation.path in (
        CHAT,
        MESSAGES,
        COUNT,
        "/v1/tokenizers/estimate-token-count",
        "/v1/files",
        "/v1/batches",
    )


def check_frames(data: bytes, frame: Draft202012Validator, last: bytes) -> None:
    *frames, end = Reader().feed(data)
    assert end == last
    for each in frames:
        frame.validate(json.loads(each))  # pyright: ignore[reportUnknownMemberType]


def frame_of(path: str) -> Draft202012Validator:
    """What one frame of the stream of `path` is."""
    whole = document()
    content = whole["paths"][path]["post"]["responses"]["200"]["content"]
    return Draft202012Validator({**content["text/event-stream"]["schema"], "components": whole["components"]})


VARIANTS = {"as documented": as_documented, "known names": known_names, "likely": likely}
PLANS = [
    pytest.param("known names", GenerationMode.POSITIVE, FEW, id="known-positive"),
    pytest.param("known names", GenerationMode.NEGATIVE, FEW, id="known-negative"),
    pytest.param("likely", GenerationMode.POSITIVE, FEW, id="likely-positive"),
    *(
        pytest.param(
            variant,
            mode,
            MANY,
            id=f"{variant.replace(' ', '-')}-{mode.value}-many",
            marks=[pytest.mark.slow, pytest.mark.timeout(PATIENCE_S)],
        )
        for variant in VARIANTS
        for mode in GenerationMode
    ),
]


@pytest.mark.parametrize(("variant", "mode", "count"), PLANS)
def test_every_operation_answers_as_documented(tmp_path: Path, variant: str, mode: GenerationMode, count: int) -> None:
    app = App(make_platform(tmp_path, keys=(KEY,), engine=ScriptedEngine(context=4000)))
    ends = {CHAT: b"[DONE]", MESSAGES: b'{"type":"message_stop"}'}
    frame = {path: frame_of(path) for path in ends}
    statuses: set[int] = set()

    def check(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {KEY}"})
        statuses.add(answer.status_code)
        case.validate_response(answer, excluded_checks=FORGIVING if takes_more(case.operation) else LENIENT)
        if answer.headers.get("content-type", [""])[0].startswith("text/event-stream"):
            path = case.operation.path
            check_frames(answer.content, frame[path], ends[path])

    for operation in operations(app, VARIANTS[variant]()):
        if mode is GenerationMode.POSITIVE or not takes_nothing(operation):
            bounded(count)(given(case=operation.as_strategy(generation_mode=mode))(check))()
    assert statuses >= ({200} if mode is GenerationMode.POSITIVE else {400, 401})
