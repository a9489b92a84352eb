"""`GET /openapi.json`: the OpenAPI 3.1 document of this server, from the types that its routes decode and encode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import moonbase
from moonbase.server.operation import ERRORS, HEADERS, JSON, Answer, Operation
from moonbase.server.operations import OPERATIONS
from moonbase.server.replies import reply
from moonbase.server.schemas import Schema, components
from moonbase.server.shapes import SHAPES

PATH = "/openapi.json"
CACHE = {"cache-control": "public, max-age=3600"}
_REF = "#/components/schemas/"


def document(operations: tuple[Operation, ...] = OPERATIONS) -> Schema:
    """The whole document; it depends on nothing but the code."""
    inputs = [operation.body for operation in operations if operation.body is not None]
    outputs = [kind for operation in operations for answer in operation.answers.values() for kind in _kinds(answer)]
    errors = dict.fromkeys(operation.error for operation in operations)
    refs, schemas = components(inputs, [*outputs, *errors], SHAPES)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Moonbase",
            "version": moonbase.__version__,
            "summary": "The Kimi thinking-model platform on your own machines.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": _used(paths, schemas),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _kinds(answer: Answer) -> Iterator[Any]:
    return iter(answer.content.values())


def _operation(operation: Operation, refs: dict[Any, Schema]) -> Schema:
    described: Schema = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if operation.public:
        described["security"] = []
    if operation.parameters or operation.query:
        described["parameters"] = [
            *(_parameter(name, value) for name, value in operation.parameters.items()),
            *({"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()),
        ]
    if operation.body is not None:
        content = {"schema": refs[operation.body], "example": operation.example}
        described["requestBody"] = {"required": True, "content": {operation.body_media: content}}
    answers = {
        **operation.answers,
        **{status: Answer(ERRORS[status], {JSON: operation.error}) for status in operation.errors},
    }
    described["responses"] = {str(status): _response(answers[status], refs) for status in sorted(answers)}
    return described


def _parameter(name: str, value: str) -> Schema:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": value}


def _response(answer: Answer, refs: dict[Any, Schema]) -> Schema:
    names = ("X-Trace-Id", *answer.headers)
    headers = {
        name: {"description": HEADERS[name], "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    }
    content = {media: {"schema": refs[kind]} for media, kind in answer.content.items()}
    return {"description": answer.description, "headers": headers, "content": content}


def _used(paths: Schema, schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The schemas that `paths` come to, in the order of their names."""
    used: set[str] = set()
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += _references(schemas[name])
    return {name: schemas[name] for name in sorted(used)}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _references(item)
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        reference = members.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_REF)
        for item in members.values():
            yield from _references(item)


def routes() -> list[Route]:
    """Public, and written once: when it is first asked for."""
    written: list[msgspec.Raw] = []

    async def openapi(request: Request) -> Response:
        if not written:
            written.append(msgspec.Raw(msgspec.json.encode(await asyncio.to_thread(document))))
        return reply(request, written[0], headers=CACHE)

    return [Route(PATH, openapi, methods=["GET"])]
