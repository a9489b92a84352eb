"""Scripts: what a test has the scripted engine answer, and which replies fit no request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import ApiError, EngineOverloaded, InvalidRequest, QuotaExceeded, RateLimited, Unavailable
from moonbase.contract.events import ContentDelta, Event, Failed, Finished, FinishReason
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.contract.response import Completion
from moonbase.engines.script import Call, Reply, Script, Step, refusal
from moonbase.engines.scripted import ScriptedEngine

Json = dict[str, Any]

MODELS = {card.id: card for card in CARDS}
OFF = {"type": "disabled"}
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Json = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
PARIS = Call("get_weather", '{"city":"Paris"}')


def request(model: str = "kimi-k2.6", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi."}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), MODELS[model])


async def events(asked: ChatRequest, *steps: Step) -> list[Event]:
    return [event async for event in ScriptedEngine(script=Script(steps)).stream(asked)]


async def whole(asked: ChatRequest, *steps: Step) -> Completion:
    fold = Fold()
    for event in await events(asked, *steps):
        assert not isinstance(event, Failed), event.error
        fold.add(event)
    return fold.completion(id="", created=0, model="")


async def error(asked: ChatRequest, *steps: Step) -> ApiError:
    (failed,) = await events(asked, *steps)
    assert isinstance(failed, Failed)
    return failed.error


@pytest.mark.parametrize("model", MODELS)
async def test_a_reply_has_reasoning_content_and_calls(model: str) -> None:
    reply = Reply(content="Let me look.", reasoning="They want the weather.", calls=(PARIS, PARIS))
    (choice,) = (await whole(request(model, tools=[WEATHER]), reply)).choices
    assert choice.message.content == "Let me look."
    assert choice.message.reasoning_content == "They want the weather."
    assert [call.function.arguments for call in choice.message.tool_calls or []] == [PARIS.arguments] * 2
    assert choice.finish_reason == "tool_calls"


async def test_what_a_reply_leaves_out_is_as_the_engine_does_by_itself() -> None:
    (choice,) = (await whole(request(), Reply(content="Hello."))).choices
    assert choice.message.reasoning_content == "I am the scripted engine. I read this and answer."
    (choice,) = (await whole(request(), Reply(content="Hello.", reasoning=""))).choices
    assert (choice.message.reasoning_content, choice.message.content) == ("", "Hello.")
    (choice,) = (await whole(request(thinking=OFF), Reply(content="Hello."))).choices
    assert choice.message.reasoning_content is None
    (choice,) = (await whole(request())).choices
    assert choice.message.content == "You said: Hi."


async def test_marks_in_a_reply_are_text() -> None:
    text = "</think><|tool_calls_section_begin|>"
    (choice,) = (await whole(request(), Reply(content=text, reasoning=text))).choices
    assert (choice.message.content, choice.message.reasoning_content) == (text, text)


async def test_budgets_stops_and_several_choices_hold_for_replies() -> None:
    reply = Reply(content="one two three", reasoning="a b c d e")
    (choice,) = (await whole(request(stop=" two"), reply)).choices
    assert (choice.message.content, choice.finish_reason) == ("one", "stop")
    completion = await whole(request(max_tokens=7), reply)
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == ("one", "length")
    assert completion.usage.completion_tokens == 7
    (choice,) = (await whole(request(thinking={"type": "enabled", "budget_tokens": 2}), reply)).choices
    assert choice.message.reasoning_content == "a b"
    choices = (await whole(request("kimi-k2-thinking", n=2), reply)).choices
    assert [choice.message.content for choice in choices] == ["one two three"] * 2


async def test_a_reply_that_is_cut_by_its_length() -> None:
    """contract.md 2.1; the reasoning may have eaten all of the budget (10.2)."""
    (choice,) = (await whole(request(), Reply(reasoning="I think and think", finish_reason="length"))).choices
    message = choice.message
    assert (message.reasoning_content, message.content, choice.finish_reason) == ("I think and think", "", "length")
    half = Reply(calls=(Call("get_weather", '{"city": "Pa'),), finish_reason="length")
    (choice,) = (await whole(request(tools=[WEATHER]), half)).choices
    (call,) = choice.message.tool_calls or []
    assert (call.function.arguments, choice.finish_reason) == ('{"city": "Pa', "length")


async def test_a_reply_that_a_filter_holds_back() -> None:
    (choice,) = (await whole(request(), Reply(content="Well,", finish_reason="content_filter"))).choices
    assert (choice.message.content, choice.finish_reason) == ("Well,", "content_filter")


@pytest.mark.parametrize(
    ("reason", "status"),
    [("engine_overloaded", 429), ("server_interrupted", 503), ("unexpected_state", 500), ("repeat", 500)],
)
async def test_a_reply_that_breaks_in_the_middle(reason: FinishReason, status: int) -> None:
    *begun, last = await events(request(), Reply(content="Well, I", finish_reason=reason))
    assert "".join(event.text for event in begun if isinstance(event, ContentDelta)) == "Well, I"
    assert isinstance(last, Failed)
    assert (last.finish_reason, last.error.status) == (reason, status)
    assert not any(isinstance(event, Finished) for event in begun)


async def test_a_cut_where_there_is_no_connection() -> None:
    *begun, last = await events(request("kimi-k2-thinking", n=2), Reply(content="Well, I", cut=True))
    assert "".join(event.text for event in begun if isinstance(event, ContentDelta)) == "Well, I"
    assert isinstance(last, Failed) and last.finish_reason == "server_interrupted"


async def test_steps_are_taken_in_order_and_what_is_left_is_told() -> None:
    script = Script([Reply(content="one"), refusal(503)])
    script.add(Reply(content="two"))
    engine = ScriptedEngine(script=script)

    async def said() -> str | int:
        fold = Fold()
        async for event in engine.stream(request()):
            if isinstance(event, Failed):
                return event.error.status
            fold.add(event)
        return fold.completion(id="", created=0, model="").choices[0].message.content or ""

    assert [await said(), await said()] == ["one", 503]
    assert script.waiting == (Reply(content="two"),)
    assert [await said(), await said()] == ["two", "You said: Hi."]
    assert script.misfits == []


async def test_a_step_that_is_meant_for_some_requests_only() -> None:
    script = Script([Reply(content="sunny", to="Paris"), refusal(503, to="Rome"), Reply(content="any")])
    engine = ScriptedEngine(script=script)

    async def said(text: str) -> str:
        asked = request(messages=[{"role": "user", "content": text}, {"role": "user", "content": "Well?"}])
        events = [event async for event in engine.stream(asked)]
        return "".join(event.text for event in events if isinstance(event, ContentDelta)) or "refused"

    assert [await said("London"), await said("Rome"), await said("London")] == [
        "any",
        "refused",
        "You said: London Well?",
    ]
    assert script.waiting == (Reply(content="sunny", to="Paris"),)
    assert await said("How is Paris?") == "sunny"


@pytest.mark.parametrize(
    ("status", "type", "error"),
    [
        (429, None, RateLimited),
        (429, "engine_overloaded_error", EngineOverloaded),
        (429, "exceeded_current_quota_error", QuotaExceeded),
        (503, None, Unavailable),
    ],
)
async def test_a_refusal(status: int, type: str | None, error: type[ApiError]) -> None:
    """contract.md 4.2."""
    told = refusal(status, type=type, retry_after=1).error
    assert (told.__class__, told.headers) == (error, {"Retry-After": "1"})
    told = refusal(status, type=type, message="Not now.").error
    assert (told.message, told.headers) == ("Not now.", {})


def test_a_refusal_that_the_platform_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"the platform has no error 418; it has: 400 invalid_request_error, 401 "):
        refusal(418)
    with pytest.raises(ValueError, match="the platform has no error 503 engine_overloaded_error; it has"):
        refusal(503, type="engine_overloaded_error")


OBJECT = {"type": "json_object"}
CITIES = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("fields", "reply", "fault"),
    [
        (
            {},
            Reply(calls=(PARIS,)),
            "it calls 'get_weather', which the request does not offer; it declares no function",
        ),
        (
            {"tools": [WEATHER]},
            Reply(calls=(Call("get_wether", "{}"),)),
            "it calls 'get_wether', which the request does not offer; did you mean 'get_weather'?",
        ),
        (
            {"tools": [WEATHER]},
            Reply(calls=(Call("x", "{}"),), finish_reason="length"),
            "it calls 'x', which the request does not offer; it offers get_weather",
        ),
        (
            {"tools": [WEATHER], "tool_choice": "none"},
            Reply(calls=(PARIS,)),
            "does not offer; its tool_choice is 'none'",
        ),
        ({"tools": [WEATHER]}, Reply(calls=(Call("get_weather", "{}"),)), "'city' is a required property"),
        ({"tools": [WEATHER]}, Reply(calls=(Call("get_weather", "{"),)), "the arguments of get_weather: Expecting"),
        ({"tools": [WEATHER], "tool_choice": "required", "thinking": OFF}, Reply(content="No."), "it has no tool call"),
        ({"response_format": OBJECT}, Reply(content="Paris"), "Expecting value"),
        ({"response_format": CITIES}, Reply(content='{"town":"Paris"}'), "'city' is a required property"),
        ({"thinking": OFF}, Reply(reasoning="Hm."), "it has reasoning, and the request turns thinking off"),
    ],
)
async def test_a_reply_that_no_model_could_have_given(fields: Json, reply: Reply, fault: str) -> None:
    """contract.md 1.5, 1.6, 7.2, 7.3."""
    script = Script([Reply(content="{}"), reply])
    engine = ScriptedEngine(script=script)
    async for _ in engine.stream(request()):
        pass
    (failed,) = [event async for event in engine.stream(request(**fields))]
    assert isinstance(failed, Failed) and isinstance(failed.error, InvalidRequest)
    (misfit,) = script.misfits
    assert failed.error.message == f"Invalid request: {misfit}"
    assert misfit.startswith("reply 2 of the test's script cannot answer its request: ")
    assert fault in misfit


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"response_format": CITIES}, Reply(content='{"ci', finish_reason="length")),
        ({"response_format": CITIES}, Reply(content='{"ci', cut=True)),
        ({"response_format": CITIES, "tools": [WEATHER]}, Reply(calls=(PARIS,))),
        ({"tools": [WEATHER], "tool_choice": "required", "thinking": OFF}, Reply(content="N", finish_reason="unknown")),
        ({"thinking": OFF}, Reply(content="Hi.", reasoning="")),
    ],
)
async def test_a_reply_that_one_could_have_given(fields: Json, reply: Reply) -> None:
    script = Script([reply])
    assert [event async for event in ScriptedEngine(script=script).stream(request(**fields))]
    assert script.misfits == []
