"""The suite sees what is wrong: servers broken in one way each, and the check that must fail for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from moonbase.conformance.profile import by_card, card_of
from moonbase.conformance.suite import CHECKS
from moonbase.server.app import App
from tests.conformance.judging import BY_NAME, judge, outcome
from tests.conformance.tampering import (
    Answer,
    Change,
    Json,
    Tampered,
    bodies,
    calls,
    choices,
    ends,
    errors,
    frames,
    middles,
    streams,
)
from tests.running import KEY, make_platform

K26 = card_of("kimi-k2.6")
assert K26
PROFILE = by_card(K26)


def reordered(listed: list[Json]) -> list[Json]:
    """The answer before the reasoning."""
    middle = [f for f in listed[1:] if f["choices"] and f["choices"][0]["finish_reason"] is None]
    rest = [f for f in listed[1:] if f not in middle]
    late = sorted(middle, key=lambda frame: "reasoning_content" in frame["choices"][0]["delta"])
    return [listed[0], *late, *rest]


def without_boundary(listed: list[Json]) -> list[Json]:
    return [f for f in listed if not f["choices"] or f["choices"][0]["delta"].get("reasoning_content") != ""]


def boundary_first(listed: list[Json]) -> list[Json]:
    (empty,) = [f for f in listed if f["choices"] and f["choices"][0]["delta"].get("reasoning_content") == ""][:1] or [
        {}
    ]
    return [listed[0], empty, *(f for f in listed[1:] if f is not empty)] if empty else listed


def new_ids(listed: list[Json]) -> list[Json]:
    return [{**frame, "id": f"chatcmpl-{number:024x}"} for number, frame in enumerate(listed)]


def doubled_choices(listed: list[Json]) -> list[Json]:
    return [{**frame, "choices": frame["choices"] * 2} for frame in listed]


def ended_twice(listed: list[Json]) -> list[Json]:
    return [copy for frame in listed for copy in [frame] * (1 + any(c["finish_reason"] for c in frame["choices"]))]


def summarised(listed: list[Json]) -> list[Json]:
    return [*listed, {**listed[-1], "choices": [], "usage": {"prompt_tokens": 1}}]


def miscounted(listed: list[Json]) -> list[Json]:
    return [
        f if f["choices"] else {**f, "usage": {**f["usage"], "prompt_tokens": 1, "total_tokens": 1}} for f in listed
    ]


def error_frame(listed: list[Json]) -> list[Json]:
    return [*listed, {"error": {"message": "The engine fell over", "type": "server_error"}}]


def error_as_stream(answer: Answer) -> Answer:
    if answer.status < 400:
        return answer
    return Answer(200, {"content-type": "text/event-stream"}, b"data: " + answer.body + b"\n\n")


def no_usage_headers(answer: Answer) -> Answer:
    return answer._replace(headers={n: v for n, v in answer.headers.items() if not n.startswith("x-msh-usage")})


def kind(value: str) -> Change:
    return lambda answer: answer._replace(headers={**answer.headers, "content-type": value})


def delta(**members: Any) -> Change:
    return middles(lambda choice: choice["delta"].update(members))


def arguments_at_once(item: Json) -> None:
    item["function"]["arguments"] = '{"city": "Oslo"}'


def restarted_ids(body: Json) -> None:
    for choice in body.get("choices", ()):
        for item in choice["message"].get("tool_calls") or ():
            item["id"] = item["id"].partition(":")[0] + ":0"


def null_reasoning(body: Json) -> None:
    for choice in body.get("choices", ()):
        choice["message"]["reasoning"] = choice["message"].pop("reasoning_content", None)


def parsed_arguments(body: Json) -> None:
    for choice in body.get("choices", ()):
        for item in choice["message"].get("tool_calls") or ():
            item["function"]["arguments"] = json.loads(item["function"]["arguments"])


BROKEN: dict[str, tuple[str, Change]] = {
    "null deltas": ("stream-strings", delta(content=None)),
    "null reasoning deltas": ("stream-strings", delta(reasoning_content=None)),
    "all members in every delta": ("stream-one-kind", delta(content="", reasoning_content="")),
    "a role in every delta": ("stream-role-once", delta(role="assistant")),
    "no role": ("stream-role-first", choices(lambda choice: choice["delta"].pop("role", None))),
    "content in the role frame": ("stream-role-first", frames(lambda listed: listed[1:])),
    "half a character": ("stream-utf8", delta(content="caf\ufffd")),
    "no usage at the end": ("stream-end-usage", ends(lambda choice: choice.pop("usage"))),
    "usage without details": ("stream-end-usage", ends(lambda choice: choice["usage"].pop("prompt_tokens_details"))),
    "usage in the middle": ("stream-middle-usage", middles(lambda choice: choice.update(usage={}))),
    "content in the end frame": ("stream-end-frame", ends(lambda choice: choice.update(delta={"content": ""}))),
    "two end frames": ("stream-end-frame", frames(ended_twice)),
    "an unheard of finish reason": ("stream-finish-reason", ends(lambda choice: choice.update(finish_reason="eos"))),
    "stop after a call": ("stream-finish-reason", ends(lambda choice: choice.update(finish_reason="stop"))),
    "no finish_reason key": ("stream-choice-keys", middles(lambda choice: choice.pop("finish_reason"))),
    "two choices a frame": ("stream-one-choice", frames(doubled_choices)),
    "reasoning after content": ("stream-reasoning-first", frames(reordered)),
    "no boundary": ("stream-boundary", frames(without_boundary)),
    "the boundary first": ("stream-boundary", frames(boundary_first)),
    "a summary nobody asked for": ("stream-summary-asked", frames(summarised)),
    "no summary": ("stream-summary-asked", frames(lambda listed: [f for f in listed if f["choices"]])),
    "a summary with other counts": ("stream-summary", frames(miscounted)),
    "a new id each frame": ("stream-head-constant", frames(new_ids)),
    "an id of another form": ("stream-id", frames(lambda listed: [{**f, "id": "cmpl-1"} for f in listed])),
    "another model": ("stream-head", frames(lambda listed: [{**f, "model": "x"} for f in listed])),
    "a fractional time": ("stream-head", frames(lambda listed: [{**f, "created": 1.5} for f in listed])),
    "logprobs nobody asked for": ("stream-no-logprobs", middles(lambda choice: choice.update(logprobs={}))),
    "a comment line": ("stream-data-lines", streams(lambda body: b": ping\n\n" + body)),
    "event lines": ("stream-data-lines", streams(lambda body: body.replace(b"data: {", b"event: chunk\ndata: {"))),
    "no space after data:": ("stream-data-lines", streams(lambda body: body.replace(b"data: ", b"data:"))),
    "broken JSON": ("stream-json", streams(lambda body: body.replace(b"data: {", b"data: {,", 1))),
    "no [DONE]": ("stream-done", streams(lambda body: body.replace(b"data: [DONE]\n\n", b""))),
    "a stream as JSON": ("stream-content-type", kind("application/json")),
    "an empty stream": ("stream-answers", streams(lambda body: b"")),
    "an error frame": ("stream-no-error-frame", frames(error_frame)),
    "errors inside a stream": ("error-before-stream", error_as_stream),
    "arguments at once": ("stream-call-first", calls(arguments_at_once)),
    "no type of a call": ("stream-call-first", calls(lambda item: item.pop("type", None))),
    "the id in every chunk": ("stream-call-later", calls(lambda item: item.update(id="get_weather:0"))),
    "null names in later chunks": ("stream-call-later", calls(lambda item: item["function"].setdefault("name", None))),
    "call indexes from 1": ("stream-call-index", calls(lambda item: item.update(index=item["index"] + 1))),
    "one index for all calls": ("stream-call-arguments", calls(lambda item: item.update(index=0))),
    "a usage of floats": ("usage-body", bodies(lambda body: body["usage"].update(cached_tokens=0.0))),
    "a total that is wrong": ("usage-body", bodies(lambda body: body["usage"].update(total_tokens=1))),
    "flat counts only": ("usage-body", bodies(lambda body: body["usage"].pop("completion_tokens_details"))),
    "no usage headers": ("usage-headers", no_usage_headers),
    "no usage headers on a stream": ("usage-headers-stream", no_usage_headers),
    "a whole answer of another kind": ("body-shape", bodies(lambda body: body.update(object="text_completion"))),
    "a whole answer's id": ("body-id", bodies(lambda body: body.update(id="chatcmpl-7"))),
    "the same id each time": ("body-id", bodies(lambda body: body.update(id=f"chatcmpl-{'0' * 24}"))),
    "reasoning by another name": ("thinking-default", bodies(null_reasoning)),
    "arguments that are no text": ("call-shape", bodies(parsed_arguments)),
    "ids that begin again": ("call-ids-count-on", bodies(restarted_ids)),
    "no type of an error": ("refuses-no-messages", errors(lambda body: body["error"].pop("type"))),
    "null code of an error": ("refuses-no-messages", errors(lambda body: body["error"].update(code=None))),
    "another text": ("refuses-no-messages", errors(lambda body: body["error"].update(message="Bad request"))),
    "everything is fine": ("refuses-stops-six", lambda answer: answer._replace(status=200)),
    "images from anywhere": ("refuses-image-by-http", lambda answer: answer._replace(status=200)),
    "images that are not taken": ("accepts-image", lambda answer: answer._replace(status=400)),
    "a page instead of an error": ("refuses-stop-long", lambda answer: answer._replace(body=b"<html>")),
    "rows without a context": ("models-list", bodies(lambda body: body["data"][0].pop("context_length"))),
    "an estimate that is off": ("estimate", bodies(lambda body: body.get("data", {}).update(total_tokens=1))),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(make_platform(tmp_path_factory.mktemp("data"), keys=(KEY,)))


@pytest.mark.parametrize("way", BROKEN)
async def test_a_broken_server_is_seen(app: App, way: str) -> None:
    name, change = BROKEN[way]
    found, detail = await outcome(Tampered(app, change), name, profile=PROFILE)
    assert (found, bool(detail)) == ("fail", True), detail


@pytest.mark.parametrize("name", sorted({name for name, _ in BROKEN.values()}))
async def test_the_same_check_passes_on_the_server_as_it_is(app: App, name: str) -> None:
    assert (await outcome(app, name, profile=PROFILE))[0] == "pass"


async def test_every_stream_check_is_tried_here() -> None:
    tried = {name for name, _ in BROKEN.values()}
    untried = {name for name in BY_NAME if name.startswith("stream-")} - tried
    assert untried == {"stream-no-boundary", "stream-content-before-calls"}


async def test_a_server_that_never_answers_hangs_nothing() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(3600)

    some = [BY_NAME[name] for name in ("body-shape", "stream-answers", "estimate", "error-no-key")]
    results = await judge(silent, checks=some, profile=PROFILE, timeout=0.05)
    assert {(result.outcome, result.detail) for result in results} == {("fail", "no whole answer within 0.05 s")}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"choices":[null]}', b'{"choices":[{"message":[]}]}'])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_nonsense_fails_checks_and_breaks_none(body: bytes, content_type: str) -> None:
    """Each check ends with a verdict whatever comes, and almost none of them is deceived."""

    async def nonsense(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        data = b"data: " + body + b"\n\n" if content_type == "text/event-stream" else body
        await send({"type": "http.response.body", "body": data})

    results = await judge(nonsense, profile=PROFILE)
    assert len(results) == len(CHECKS)
    passed = {result.check.name for result in results if result.outcome == "pass"}
    assert {name for name in passed if not name.startswith("stream-")} <= {"body-content-type"}
    demanding = {"stream-head", "stream-role-first", "stream-choice-keys", "stream-end-frame", "stream-end-usage"}
    assert not passed & (demanding | {"stream-id", "stream-done", "stream-finish-reason"})


async def test_a_busy_server_is_waited_for(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = iter([True, True])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def sometimes(scope: Any, receive: Any, send: Any) -> None:
        if next(busy, False):
            head = [(b"content-type", b"application/json"), (b"retry-after", b"3")]
            await send({"type": "http.response.start", "status": 429, "headers": head})
            await send({"type": "http.response.body", "body": b"{}"})
        else:
            await app(scope, receive, send)

    monkeypatch.setattr("moonbase.conformance.wire.asyncio.sleep", sleep)
    assert (await outcome(sometimes, "body-shape", profile=PROFILE))[0] == "pass"
    assert slept[:2] == [3.0, 3.0]
