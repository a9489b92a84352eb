"""`GET /openapi.json`: a valid OpenAPI 3.1 document of every route, from the types that the routes use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from moonbase.contract.request import ChatBody
from moonbase.server.app import CALLABLES, App
from moonbase.server.openapi import document
from moonbase.server.operations import OPERATIONS
from moonbase.server.schemas import FieldDocs, plain
from moonbase.server.shapes import SHAPES
from tests.running import Running, make_platform
from tests.server.client import client

Json = dict[str, Any]


@pytest.fixture(scope="module")
def whole() -> Json:
    return document()


def test_it_is_valid(whole: Json) -> None:
    problems = [error.message for error in OpenAPIV31SpecValidator(whole).iter_errors()]  # pyright: ignore
    assert problems == []


def test_the_validator_sees_a_mistake(whole: Json) -> None:
    broken: Json = {**whole, "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())  # pyright: ignore


def test_every_route_is_an_operation_and_every_operation_a_route(tmp_path: Path) -> None:
    routes = {("POST", path) for path in CALLABLES}
    for route in App(make_platform(tmp_path)).routes:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        routes |= {(method, path) for method in (route.methods or ()) if method != "HEAD"}
    assert {(operation.method, operation.path) for operation in OPERATIONS} == routes


async def test_it_is_public_and_may_be_kept(server: Running) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{server.url}/openapi.json")
        again = await http.get(f"{server.url}/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.json() == json.loads(json.dumps(document()))
    assert again.content == answer.content


def test_only_the_public_routes_need_no_key(whole: Json) -> None:
    """contract.md 0.1."""
    public = {
        path for path, methods in whole["paths"].items() for told in methods.values() if told.get("security") == []
    }
    assert public == {"/health", "/metrics", "/openapi.json"}, (
        "the second may ask for a key of its own (docs/metrics.md)"
    )
    assert whole["security"] == [{"key": []}]
    assert whole["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_chat_answers_whole_or_as_a_stream(whole: Json) -> None:
    answers = whole["paths"]["/v1/chat/completions"]["post"]["responses"]
    content = answers["200"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Completion"}
    assert content["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/Chunk"}
    for status in set(answers) - {"200"}:
        assert answers[status]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}


def validator(whole: Json, name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": whole["components"]})


HI = {"role": "user", "content": "hi"}
GOOD: dict[str, Json] = {
    "the least": {},
    "unknown members": {"user": "u", "store": False, "metadata": {"a": [1]}},
    "nulls": dict.fromkeys(set(ChatBody.__struct_fields__) - {"model", "messages"}),
    "thinking": {"thinking": {"type": "enabled", "keep": "all"}},
    "thinking with more": {"thinking": {"type": "disabled", "keep": None, "budget": 3}},
    "choice": {"tool_choice": "required"},
    "named choice": {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    "format": {"response_format": {"type": "json_object"}},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": False}}},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
    "a picture": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:..."}}]}]},
    "a bare url": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:..."}]}]},
    "stop": {"stop": ["a", "b"]},
    "a tool": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
    "formulas": {"formulas": ["moonshot/date:latest"], "max_steps": 2},
    "a built-in": {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]},
}
BAD: dict[str, Json] = {
    "no messages": {"messages": []},
    "thinking is a bool": {"thinking": True},
    "no type": {"thinking": {"keep": "all"}},
    "keep": {"thinking": {"type": "enabled", "keep": "some"}},
    "choice": {"tool_choice": "sometimes"},
    "named choice": {"tool_choice": {"type": "function"}},
    "format": {"response_format": {"type": "xml"}},
    "no schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
    "an empty part": {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
    "role": {"messages": [{"role": "robot", "content": "x"}]},
    "stops": {"stop": ["a"] * 6},
    "a long stop": {"stop": "a" * 33},
    "no budget": {"max_tokens": 0},
    "name": {"tools": [{"type": "function", "function": {"name": "1f"}}]},
    "a formula alone": {"formulas": "moonshot/date:latest"},
    "one step": {"formulas": ["moonshot/date:latest"], "max_steps": 1},
    "no function": {"tools": [{"type": "function"}]},
    "tool": {"tools": [{"type": "plugin", "function": {"name": "f"}}]},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_api_takes_is_in_the_schema(whole: Json, name: str) -> None:
    """contract.md 1.1, 1.3, 1.4, 1.5, 7.3."""
    body = {"model": "kimi-k2.6", "messages": [HI], **GOOD[name]}
    assert [error.message for error in validator(whole, "ChatBody").iter_errors(body)] == []  # pyright: ignore
    msgspec.convert(body, ChatBody)


@pytest.mark.parametrize("name", BAD)
def test_what_the_api_refuses_is_not(whole: Json, name: str) -> None:
    body = {"model": "kimi-k2.6", "messages": [HI], **BAD[name]}
    assert list(validator(whole, "ChatBody").iter_errors(body))  # pyright: ignore


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body is not None], ids=lambda operation: operation.id)
def test_the_examples_are_valid(whole: Json, operation: Any) -> None:
    assert not list(validator(whole, operation.body.__name__).iter_errors(operation.example))  # pyright: ignore
    msgspec.convert(operation.example, operation.body)


def test_what_is_always_written_is_required(whole: Json) -> None:
    """contract.md 2.1, 2.5, 6.1."""
    schemas = whole["components"]["schemas"]
    assert set(schemas["Completion"]["required"]) == {"id", "object", "created", "model", "choices", "usage"}
    assert schemas["Completion"]["properties"]["object"]["const"] == "chat.completion"
    assert schemas["AssistantMessage"]["required"] == ["role", "content"]
    assert schemas["ChunkChoice"]["required"] == ["index", "delta", "finish_reason"]
    assert schemas["FiberContext"]["required"] == ["input"]
    assert set(schemas["ModelRow"]["required"]) == set(schemas["ModelRow"]["properties"]) - {"think_efforts"}


def test_shapes_narrow_fields_that_there_are() -> None:
    for wide, narrow in SHAPES.items():
        names = [{field.name for field in msgspec.structs.fields(kind)} for kind in (narrow, wide)]
        assert names[0] <= names[1], wide


DESCRIBED = (
    "ChatBody",
    "LoopNote",
    "LoopFrame",
    "Message",
    "ThinkingControl",
    "StreamOptions",
    "Function",
    "FiberRequest",
    "Completion",
    "Chunk",
)


def test_every_field_is_described(whole: Json) -> None:
    """By the docstring that follows the field in its type."""
    for name in DESCRIBED:
        members = whole["components"]["schemas"][name]["properties"]
        constants = {field for field, schema in members.items() if "const" in schema or "enum" in schema}
        bare = {field for field, schema in members.items() if "description" not in schema} - constants
        assert bare == set(), name


def test_descriptions_are_for_readers_of_the_document(whole: Json) -> None:
    text = json.dumps(whole)
    for word in ("contract.md", "design.md", "UNSET", "\\n    "):
        assert word not in text


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("One line (contract.md 1.1).", "One line."),
        ("One line; see there (1.3).", "One line; see there (1.3)."),
        ("Two\n    lines.\n\n    And more (see contract.md 2.4, 2.5).", "Two lines.\n\nAnd more."),
    ],
)
def test_docstrings_without_their_citations(doc: str, expected: str) -> None:
    assert plain(doc) == expected


def test_docs_of_a_type_without_source_are_none() -> None:
    assert FieldDocs().of(msgspec.defstruct("Made", ["x"])) == {}


async def test_other_methods_are_told_which_are_allowed(server: Running) -> None:
    """RFC 9110, 15.5.6: a 405 has `Allow`."""
    async with client(server) as http:
        for operation in OPERATIONS:
            path = operation.path.format(**operation.parameters)
            answer = await http.request("PATCH", f"{server.url}{path}")
            assert (answer.status_code, answer.json()["error"]["type"]) == (405, "invalid_request_error")
            assert operation.method in answer.headers["allow"].split(", ")
