"""What each kind of server sends, and what becomes of it. The frames are those of the versions that are named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moonbase.contract.errors import InvalidRequest, UnexpectedOutput
from moonbase.contract.events import ContentDelta, Finished, PromptRead, ReasoningDelta, ReasoningEnded, Usage
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.client import Client
from moonbase.engines.http.dialect import DialectName
from moonbase.engines.http.dialects import VLLM_WITH_BUDGETS
from moonbase.engines.http.engine import HttpEngine
from moonbase.engines.http.upstream import parse_upstream
from tests.engines.http.asking import answer_of, asking, events_of, failure_of
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import STREAM, Json, chunk, delta, lines, stream, totals, upstream, whole
from tests.server.client import user

TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
OTHERS: tuple[DialectName, ...] = ("vllm", "sglang", "llamacpp", "openai")
OFF: Json = {"thinking": {"type": "disabled"}}
TURNS: list[Json] = [
    user("First."),
    {"role": "assistant", "content": "One.", "reasoning_content": "Thought one."},
    user("Second."),
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Thought two.",
        "tool_calls": [{"id": "look_7", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "look_7", "content": "Seen."},
]


async def answered(dialect: DialectName, *payloads: Any, request: ChatRequest | None = None) -> Json:
    async with upstream(stream(*payloads)) as stub:
        engine = http_engine(stub.url, dialect)
        try:
            return await answer_of(engine, request)
        finally:
            await engine.close()


async def sent(dialect: DialectName, request: ChatRequest, **options: Any) -> Json:
    """The body that the upstream gets."""
    async with upstream(stream(delta(content="x"), delta("stop"))) as stub:
        engine = http_engine(stub.url, dialect, **options)
        await answer_of(engine, request)
        await engine.close()
    (asked,) = stub.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-test-key"
    return asked.body


class TestVllm:
    async def test_an_answer(self) -> None:
        """0.32 with `--reasoning-parser kimi_k2`: `reasoning`, counts on every frame, cached tokens in the last."""

        def counts(completion: int) -> Json:
            return {"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion}

        frames = [
            delta(role="assistant", content="", usage=counts(0)),
            delta(reasoning="Hm", usage=counts(1)),
            delta(reasoning=", so", usage=counts(3)),
            delta(content="It ", usage=counts(5)),
            delta(content="is.", usage=counts(6)),
            delta("stop", content="", usage=counts(7)),
            totals(9, 7, prompt_tokens_details={"cached_tokens": 4}),
        ]
        found = await answered("vllm", *frames)
        usage = found.pop("usage")
        assert found == {
            "role": "assistant",
            "content": "It is.",
            "reasoning_content": "Hm, so",
            "finish_reason": "stop",
        }
        assert usage["prompt_tokens"] == 9
        assert usage["completion_tokens"] == 7
        assert usage["completion_tokens_details"] == {"reasoning_tokens": 3}

    async def test_a_call_has_an_id_that_never_comes_twice(self) -> None:
        """Its parser counts from 0 in every answer; the conversation has a call already (contract.md 2.3)."""
        call = {"index": 0, "id": "functions.look:0", "type": "function", "function": {"name": "look", "arguments": ""}}
        more = {"index": 0, "function": {"arguments": '{"a": 1}'}}
        frames = [delta(reasoning="Hm"), delta(tool_calls=[call]), delta(tool_calls=[more]), delta("stop")]
        found = await answered("vllm", *frames, totals(), request=asking(*TURNS, tools=[TOOL]))
        assert found["tool_calls"] == [
            {"id": "look:1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
        ]
        assert found["finish_reason"] == "tool_calls", "a named choice ends with `stop` there"

    async def test_what_it_is_sent(self) -> None:
        request = asking(*TURNS, tools=[TOOL], max_completion_tokens=50, logprobs=True, top_logprobs=2, stream=True)
        body = await sent("vllm", request)
        assert body["chat_template_kwargs"] == {"thinking": True, "enable_thinking": True}
        assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
        assert (body["temperature"], body["top_p"]) == (1.0, 0.95)
        assert (body["max_completion_tokens"], body["logprobs"], body["top_logprobs"]) == (50, True, 2)
        messages = body["messages"]
        assert "reasoning" not in messages[1], "an earlier turn, which is not kept"
        assert messages[3]["reasoning"] == messages[3]["reasoning_content"] == "Thought two."
        assert messages[3]["tool_calls"][0]["id"] == messages[4]["tool_call_id"] == "functions.look:0"

    @pytest.mark.parametrize(
        ("more", "streamed"), [({}, False), ({"stream": True}, True), ({"model": "kimi-k2-thinking", "n": 2}, True)]
    )
    async def test_what_nobody_reads_as_it_comes_is_asked_for_whole(self, more: Json, streamed: bool) -> None:
        """Save where only a stream says what each choice counts."""
        body = await sent("vllm", asking(**more))
        assert (body["stream"], "stream_options" in body) == (streamed, streamed)

    async def test_kept_reasoning_is_sent(self) -> None:
        body = await sent("vllm", asking(*TURNS[:3], thinking={"type": "enabled", "keep": "all"}))
        assert body["chat_template_kwargs"]["preserve_thinking"] is True
        assert body["messages"][1]["reasoning"] == "Thought one."

    async def test_thinking_is_switched_off(self) -> None:
        body = await sent("vllm", asking(**OFF))
        assert body["chat_template_kwargs"] == {"thinking": False, "enable_thinking": False}
        assert body["temperature"] == 0.6

    async def test_token_ids(self) -> None:
        """`return_token_ids`, which put them beside the delta."""
        frame = delta(content="It")
        frame["choices"][0]["token_ids"] = [7, 8]
        request = asking(stream=True, stream_options={"include_internal_content": True}, **OFF)
        async with upstream(stream(frame, delta("stop"), totals())) as stub:
            engine = http_engine(stub.url, "vllm")
            events = await events_of(engine, request)
            await engine.close()
        assert ContentDelta("It", token_ids=(7, 8)) in events
        assert stub.bodies[0]["return_token_ids"] is True

    async def test_a_budget_that_does_not_fit_is_left_out_the_second_time(self) -> None:
        said = (
            "This model's maximum context length is 4096 tokens. However, you requested 4000 output tokens and your "
            "prompt contains at least 97 input tokens, for a total of at least 4097 tokens."
        )
        refusal = whole({"error": {"message": said, "type": "BadRequestError", "code": 400}}, 400)
        async with upstream(refusal, stream(delta(content="x"), delta("stop"), totals())) as stub:
            engine = http_engine(stub.url, "vllm")
            assert (await answer_of(engine, asking(max_tokens=4000, **OFF)))["content"] == "x"
            await engine.close()
        assert [body.get("max_completion_tokens") for body in stub.bodies] == [4000, None]

    async def test_reasoning_is_sent_under_one_name_where_two_are_the_same(self) -> None:
        """smg 1.13 in front of vLLM reads both names into one member, and refuses the second."""
        said = (
            "Failed to deserialize the JSON body into the target type: messages[1]: duplicate field `reasoning_content`"
        )
        refusal = whole({"error": {"message": said, "type": "invalid_request_error"}}, 422)
        answer = stream(delta(content="x"), delta("stop"), totals())
        request = asking(*TURNS, tools=[TOOL])
        async with upstream(refusal, answer) as stub:
            engine = http_engine(stub.url, "vllm")
            for _ in range(2):
                assert (await answer_of(engine, request))["content"] == "x"
            await engine.close()
        thoughts = [
            [name for name in ("reasoning", "reasoning_content") if name in body["messages"][3]] for body in stub.bodies
        ]
        assert thoughts == [["reasoning", "reasoning_content"], ["reasoning_content"], ["reasoning_content"]]

    async def test_a_refusal_that_stays_is_told(self) -> None:
        said = "duplicate field `reasoning_content`"
        async with upstream(whole({"error": {"message": said}}, 400)) as stub:
            engine = http_engine(stub.url, "vllm")
            error = await failure_of(engine, asking(*TURNS, tools=[TOOL]))
            await engine.close()
        assert isinstance(error, InvalidRequest)
        assert error.message == said
        assert len(stub.asked) == 2

    async def test_a_budget_of_the_reasoning(self) -> None:
        """`thinking_token_budget`, of servers that were set up for it."""
        asked = [
            asking(thinking={"type": "enabled", "budget_tokens": 9}),
            asking(thinking={"type": "enabled", "budget_tokens": 0}),
            asking(),
        ]
        async with upstream(stream(delta(content="x"), delta("stop"))) as stub:
            client = Client(parse_upstream(stub.url, None), connect_s=5, silence_s=5)
            engine = HttpEngine(client, VLLM_WITH_BUDGETS)
            for request in asked:
                await answer_of(engine, request)
            await engine.close()
        assert [body.get("thinking_token_budget") for body in stub.bodies] == [9, 0, None]
        assert all(body["chat_template_kwargs"]["thinking"] is True for body in stub.bodies)

    async def test_a_budget_beyond_its_context_is_left_out_at_once(self) -> None:
        models = whole({"data": [{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 4096}]})
        async with upstream(stream(delta(content="x"), delta("stop")), models=models) as stub:
            engine = http_engine(stub.url, "vllm")
            await engine.start()
            assert engine.context_length == 4096
            await answer_of(engine, asking(**OFF))
            await engine.close()
        assert "max_completion_tokens" not in stub.bodies[0]
        assert stub.bodies[0]["model"] == "m"

    async def test_a_prompt_that_does_not_fit(self) -> None:
        """contract.md 4.3."""
        said = "This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens."
        async with upstream(whole({"object": "error", "message": said, "code": 400}, 400)) as stub:
            engine = http_engine(stub.url, "vllm")
            error = await failure_of(engine)
            await engine.close()
        assert isinstance(error, InvalidRequest)
        assert error.message == "Invalid request: Your request exceeded model token limit: 4096 (requested: 5000)"
        assert len(stub.asked) == 1

    async def test_an_error_in_the_stream(self) -> None:
        error = {"error": {"message": "EngineCore encountered an issue at 10.0.0.1", "type": "X", "code": 500}}
        async with upstream(stream(delta(content="It"), error)) as stub:
            engine = http_engine(stub.url, "vllm")
            failure = await failure_of(engine, asking(**OFF))
            await engine.close()
        assert (failure.status, failure.message) == (500, "the engine of this model failed")

    async def test_counting(self) -> None:
        counted = whole({"count": 31, "max_model_len": 4096, "tokens": [1, 2]})
        async with upstream(counted) as stub:
            engine = http_engine(stub.url, "vllm")
            assert await engine.count(asking(*TURNS, tools=[TOOL])) == 31
            await engine.close()
        assert stub.asked[0].path == "/tokenize"
        assert set(stub.bodies[0]) == {"model", "messages", "tools", "chat_template_kwargs"}


class TestSglang:
    async def test_an_answer(self) -> None:
        """0.5: nulls everywhere, `reasoning_tokens` at the top of usage, details null unless a flag asks for them."""
        nothing: Json = {"role": None, "content": None, "reasoning_content": None, "tool_calls": None}
        usage = {"prompt_tokens_details": None, "reasoning_tokens": 2}
        found = await answered(
            "sglang",
            delta(**{**nothing, "role": "assistant", "content": ""}),
            delta(**{**nothing, "reasoning_content": "Hm."}),
            delta(**{**nothing, "content": "It is."}),
            delta("stop", **nothing),
            totals(9, 6, **usage),
        )
        assert (found["reasoning_content"], found["content"], found["finish_reason"]) == ("Hm.", "It is.", "stop")
        assert found["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}

    async def test_what_it_is_sent(self) -> None:
        body = await sent("sglang", asking(*TURNS))
        assert body["messages"][3]["reasoning_content"] == "Thought two."
        assert "reasoning" not in body["messages"][3]

    async def test_an_abort_is_a_failure(self) -> None:
        async with upstream(stream(delta(content="It"), delta("abort"), done=False)) as stub:
            engine = http_engine(stub.url, "sglang")
            assert (await failure_of(engine, asking(**OFF))).status == 503
            await engine.close()

    async def test_counting_asks_for_one_token(self) -> None:
        """Its `/tokenize` takes plain text alone."""
        answer = {"choices": [{"index": 0, "message": {"content": "x"}}], "usage": {"prompt_tokens": 17}}
        async with upstream(whole(answer)) as stub:
            engine = http_engine(stub.url, "sglang")
            assert await engine.count(asking(tools=[TOOL])) == 17
            await engine.close()
        (body,) = stub.bodies
        assert body["max_completion_tokens"] == 1
        assert "stream" not in body

    async def test_a_count_below_zero_is_none(self) -> None:
        async with upstream(whole({"choices": [], "usage": {"prompt_tokens": -3}})) as stub:
            engine = http_engine(stub.url, "sglang")
            with pytest.raises(UnexpectedOutput, match="without saying how long"):
                await engine.count(asking())
            await engine.close()


class TestLlamaCpp:
    async def test_an_answer(self) -> None:
        """b6000 and later: the role beside a null content, timings, usage in a frame without choices."""
        end = {**totals(), "timings": {"cache_n": 4, "prompt_n": 5, "predicted_n": 6}}
        found = await answered(
            "llamacpp",
            delta(role="assistant", content=None),
            delta(reasoning_content="Hm"),
            delta(content="It is."),
            delta("stop"),
            end,
        )
        assert (found["reasoning_content"], found["content"]) == ("Hm", "It is.")
        assert found["usage"]["completion_tokens"] == 6
        assert 0 < found["usage"]["completion_tokens_details"]["reasoning_tokens"] < 6

    async def test_a_prompt_that_does_not_fit_is_told_inside_the_stream(self) -> None:
        """By versions before the end of 2025, in a line of its own kind."""
        told = '{"code":400,"message":"the request exceeds the available context size","type":"invalid_request_error"}'
        async with upstream(STREAM + chunk(f"error: {told}\n\n".encode()) + b"0\r\n\r\n") as stub:
            engine = http_engine(stub.url, "llamacpp")
            error = await failure_of(engine)
            await engine.close()
        assert isinstance(error, InvalidRequest)
        assert error.message == "the request exceeds the available context size"

    async def test_its_context(self) -> None:
        models = whole({"models": [], "data": [{"id": "m.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]})
        async with upstream(b"", models=models) as stub:
            engine = http_engine(stub.url, "llamacpp")
            await engine.start()
            assert engine.context_length == 2048
            await engine.close()

    async def test_what_it_is_sent(self) -> None:
        body = await sent("llamacpp", asking(max_tokens=7))
        assert (body["max_tokens"], body["reasoning_format"]) == (7, "deepseek")


class TestOpenai:
    """A plain server, which knows nothing of reasoning."""

    @pytest.mark.parametrize(
        "pieces",
        [
            ["<think>Hm, so</think>It is."],
            ["<th", "ink>\nHm,", " so\n</thi", "nk>", "\n\nIt is."],
            ["\n", "<think>Hm, so", "</think>", "It is."],
        ],
    )
    async def test_reasoning_inside_the_content(self, pieces: list[str]) -> None:
        found = await answered("openai", *(delta(content=piece) for piece in pieces), delta("stop"), totals(9, 10))
        assert (found["reasoning_content"], found["content"]) == ("Hm, so", "It is.")
        assert found["usage"]["completion_tokens_details"] == {"reasoning_tokens": 5}, "as the characters are"

    async def test_a_mark_later_on_is_text(self) -> None:
        pieces = ["Write ", "<think>", "x</think>."]
        found = await answered("openai", *(delta(content=piece) for piece in pieces), delta("stop"))
        assert found["content"] == "Write <think>x</think>."
        assert "reasoning_content" not in found

    async def test_reasoning_that_nobody_asked_for(self) -> None:
        found = await answered("openai", delta(content="<think>Hm</think>It is."), delta("stop"), request=asking(**OFF))
        assert found["content"] == "It is."
        assert "reasoning_content" not in found

    async def test_calls_inside_the_content(self) -> None:
        """A Kimi model on a server without a parser for its calls."""
        text = (
            "<think>Hm</think>I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0"
            '<|tool_call_argument_begin|>{"a":1}<|tool_call_end|><|tool_calls_section_end|>'
        )
        pieces = [delta(content=text[at : at + 7]) for at in range(0, len(text), 7)]
        found = await answered("openai", *pieces, delta("stop"), request=asking(tools=[TOOL]))
        assert (found["content"], found["finish_reason"]) == ("I look.", "tool_calls")
        assert found["tool_calls"][0] == {
            "id": "look:0",
            "type": "function",
            "function": {"name": "look", "arguments": '{"a":1}'},
        }

    async def test_what_it_is_sent(self) -> None:
        """Nothing that only some servers know."""
        body = await sent("openai", asking(*TURNS, tools=[TOOL], stream=True))
        assert set(body) == {
            *("model", "messages", "stream", "stream_options", "tools", "max_tokens"),
            *("temperature", "top_p", "presence_penalty", "frequency_penalty"),
        }
        assert "reasoning_content" not in body["messages"][1]
        assert body["messages"][3]["reasoning_content"] == "Thought two."
        assert body["messages"][3]["tool_calls"][0]["id"] == "look_7"

    @pytest.mark.parametrize(
        "said", ['"llama3.1:8b" does not support thinking', "Unrecognized request argument supplied: reasoning_effort"]
    )
    async def test_a_model_without_an_effort_is_not_asked_for_one(self, said: str) -> None:
        """Ollama and others refuse the member; kimi-k3 always has one (contract.md 1.3)."""
        refusal = whole({"error": {"message": said, "type": "invalid_request_error"}}, 400)
        async with upstream(refusal, stream(delta(content="x"), delta("stop"), totals())) as stub:
            engine = http_engine(stub.url, "openai")
            for _ in range(2):
                assert (await answer_of(engine, asking(model="kimi-k3")))["content"] == "x"
            await engine.close()
        assert [body.get("reasoning_effort") for body in stub.bodies] == ["high", None, None]

    async def test_what_is_refused_for_another_reason_is_told(self) -> None:
        async with upstream(whole({"error": {"message": "does not support thinking"}}, 400)) as stub:
            engine = http_engine(stub.url, "openai")
            for model, times in [("kimi-k2.6", 1), ("kimi-k3", 3)]:
                assert isinstance(await failure_of(engine, asking(model=model)), InvalidRequest)
                assert len(stub.asked) == times
            await engine.close()

    async def test_reasoning_goes_back_to_where_it_stood(self) -> None:
        """Inside a loop it must reach the model (contract.md 1.3), and such a server knows no other place for it."""
        async with upstream(stream(delta(content="<think>Hm</think>It is."), delta("stop"))) as stub:
            engine = http_engine(stub.url, "openai")
            for _ in range(2):
                await answer_of(engine, asking(*TURNS, tools=[TOOL]))
            await engine.close()
        sent = [[body["messages"][at]["content"] for at in (1, 3)] for body in stub.bodies]
        assert sent == [["One.", ""], ["One.", "<think>Thought two.</think>"]]

    @pytest.mark.parametrize("streams", [True, False])
    async def test_a_byte_order_mark_is_none_of_the_answer(self, streams: bool) -> None:
        data = lines(delta(content="It"), delta(content=" is."), delta("stop"), totals(), "data: [DONE]")
        body = json.dumps({"choices": [{"message": {"content": "It is."}, "finish_reason": "stop"}]}).encode()
        for reply in (STREAM + chunk(b"\xef\xbb\xbf" + data) + b"0\r\n\r\n", whole(b"\xef\xbb\xbf" + body)):
            async with upstream(reply) as stub:
                engine = http_engine(stub.url, "openai")
                assert (await answer_of(engine, asking(stream=streams, **OFF)))["content"] == "It is."
                await engine.close()

    async def test_an_answer_that_is_not_streamed(self) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "reasoning": "Hm", "tool_calls": [call]}
        answer = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], **totals(4, 3)}
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
        async with upstream(whole(answer)) as stub:
            engine = http_engine(stub.url, "openai")
            found = await answer_of(engine, asking(tools=[TOOL]))
            await engine.close()
        assert (found["reasoning_content"], found["finish_reason"]) == ("Hm", "tool_calls")
        assert found["tool_calls"][0]["id"] == "look:0"
        assert found["usage"]["completion_tokens"] == 3


class TestKimi:
    async def test_what_it_is_sent(self) -> None:
        """No locked parameter, no field that only engines have (contract.md 1.1 to 1.3)."""
        thinking = {"type": "enabled", "keep": "all"}
        body = await sent("kimi", asking(*TURNS, thinking=thinking, prompt_cache_key="s", stream=True))
        assert set(body) == {
            *("model", "messages", "stream", "stream_options", "thinking", "max_completion_tokens", "prompt_cache_key")
        }
        assert body["thinking"] == {"type": "enabled", "keep": "all"}
        assert body["stream_options"] == {"include_usage": True}
        assert body["messages"] == TURNS

    async def test_an_answer(self) -> None:
        """Usage in the choice, ids as they come, the counts of the prompt only at the end."""
        call = {"index": 0, "id": "look:4", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        end = delta("tool_calls")
        end["choices"][0]["usage"] = {"prompt_tokens": 9, "completion_tokens": 6, "cached_tokens": 4}
        async with upstream(stream(delta(reasoning_content="Hm"), delta(tool_calls=[call]), end)) as stub:
            engine = http_engine(stub.url, "kimi")
            events = await events_of(engine, asking(tools=[TOOL]))
            found = await answer_of(engine, asking(tools=[TOOL]))
            await engine.close()
        assert found["tool_calls"][0]["id"] == "look:4"
        assert PromptRead(9, 4) in events


@pytest.mark.parametrize("dialect", OTHERS)
class TestEveryOther:
    """What holds of each server that is not the platform."""

    async def test_stop_words_end_the_content_alone(self, dialect: DialectName) -> None:
        """contract.md 1.1: not the reasoning. The upstream is not told of them, and stops when it is left."""
        frames = [delta(reasoning_content="END of"), delta(content="one E"), delta(content="ND two"), delta("stop")]
        async with upstream(stream(*frames)) as stub:
            engine = http_engine(stub.url, dialect)
            found = await answer_of(engine, asking(stop=["END"]))
            await engine.close()
        assert (found["reasoning_content"], found["content"]) == ("END of", "one ")
        assert found["finish_reason"] == "stop"
        assert found["usage"]["completion_tokens"] == 3, "an increment counts as a token where none are told"
        assert "stop" not in stub.bodies[0]

    async def test_they_are_sent_where_nothing_else_can_come(self, dialect: DialectName) -> None:
        assert (await sent(dialect, asking(stop=["END"], **OFF)))["stop"] == ["END"]

    async def test_reasoning_is_dropped_when_thinking_is_off(self, dialect: DialectName) -> None:
        frames = [delta(reasoning="Hm"), delta(content="It."), delta("stop")]
        found = await answered(dialect, *frames, request=asking(**OFF))
        assert (found["content"], found.get("reasoning_content")) == ("It.", None)

    async def test_an_answer_that_was_taken_for_reasoning(self, dialect: DialectName) -> None:
        found = await answered(
            dialect, delta(reasoning="It "), delta(reasoning="is."), delta("stop"), request=asking(**OFF)
        )
        assert (found["content"], found.get("reasoning_content")) == ("It is.", None)

    async def test_calls_that_nobody_offered(self, dialect: DialectName) -> None:
        call = {"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}}
        frames = [delta(content="It."), delta(tool_calls=[call]), delta("tool_calls")]
        for request in (asking(**OFF), asking(tools=[TOOL], tool_choice="none", **OFF)):
            found = await answered(dialect, *frames, request=request)
            assert (found["content"], found["finish_reason"]) == ("It.", "stop")
            assert "tool_calls" not in found

    async def test_calls_without_ids_or_with_the_same_one(self, dialect: DialectName) -> None:
        calls = [
            {"index": index, "id": id, "function": {"name": "look", "arguments": "{}"}}
            for index, id in [(0, None), (1, "x")]
        ]
        frames = [delta(tool_calls=[calls[0]]), delta(tool_calls=[calls[1]]), delta("tool_calls")]
        found = await answered(dialect, *frames, request=asking(tools=[TOOL], model="kimi-k3"))
        assert [call["id"] for call in found["tool_calls"]] == ["look_0", "look_1"], "the form of the card"

    @pytest.mark.parametrize("arguments", [[], [None], [""], ["", " "]], ids=["none", "null", "empty", "blank"])
    async def test_a_call_without_arguments(self, dialect: DialectName, arguments: list[str | None]) -> None:
        """Anthropic's models behind OpenRouter call a function without parameters so; it is no JSON."""
        opening = {"index": 0, "id": "x", "function": {"name": "look"}}
        pieces = [{"index": 0, "function": {"arguments": text}} for text in arguments]
        frames = [*(delta(tool_calls=[each]) for each in (opening, *pieces)), delta("tool_calls"), totals()]
        found = await answered(dialect, *frames, request=asking(tools=[TOOL], **OFF))
        assert [call["function"]["arguments"] for call in found["tool_calls"]] == ["{}"]

    @pytest.mark.parametrize("streams", [True, False])
    async def test_counts_below_zero_are_none(self, dialect: DialectName, streams: bool) -> None:
        """They would be booked, and give the key money back."""
        unknown = {"prompt_tokens": -1, "completion_tokens": -1, "prompt_tokens_details": {"cached_tokens": -1}}
        answer = {"choices": [{"message": {"content": "It"}, "finish_reason": "stop"}], "usage": unknown}
        frames = [delta(usage=unknown, content="It"), delta("stop", usage=unknown)]
        async with upstream(stream(*frames) if streams else whole(answer)) as stub:
            engine = http_engine(stub.url, dialect)
            events = await events_of(engine, asking(stream=streams, **OFF))
            await engine.close()
        assert [event for event in events if isinstance(event, PromptRead)] == [PromptRead(0, 0)]
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.usage == Usage(0, 1, 0, 0)

    async def test_keep_alives_and_empty_frames(self, dialect: DialectName) -> None:
        empty: Json = {"id": "", "object": "", "choices": [], "usage": None}
        frames: list[Any] = [
            ": ping",
            "event: message",
            empty,
            delta(role="assistant", content=""),
            delta(content="It."),
            delta("stop"),
        ]
        assert (await answered(dialect, *frames, totals(), request=asking(**OFF)))["content"] == "It."

    async def test_a_budget_of_the_reasoning_is_refused(self, dialect: DialectName) -> None:
        async with upstream(b"") as stub:
            engine = http_engine(stub.url, dialect)
            error = await failure_of(engine, asking(thinking={"type": "enabled", "budget_tokens": 9}))
            await engine.close()
        assert isinstance(error, InvalidRequest)
        assert "budget_tokens" in error.message
        assert stub.asked == []

    async def test_a_built_in_function_is_a_function(self, dialect: DialectName) -> None:
        """vLLM 0.32 refuses the type `builtin_function`; none of them knows it."""
        tool = {"type": "builtin_function", "function": {"name": "$web_search"}}
        body = await sent(dialect, asking(tools=[tool], **OFF))
        assert [tool["type"] for tool in body["tools"]] == ["function"]

    async def test_formats_are_passed_on(self, dialect: DialectName) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        assert (await sent(dialect, asking(response_format=wanted)))["response_format"] == wanted
        body = await sent(dialect, asking(response_format={"type": "json_object"}))
        assert body["response_format"] == {"type": "json_object"}

    async def test_it_promises_nothing(self, dialect: DialectName) -> None:
        engine = http_engine("http://127.0.0.1:9", dialect)
        assert not engine.enforces


class TestPartial:
    LAST: tuple[Json, ...] = (user("Go on."), {"role": "assistant", "content": "It is", "partial": True})

    async def test_vllm_continues_the_message(self) -> None:
        """contract.md 7.1."""
        body = await sent("vllm", asking(*self.LAST))
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        assert "partial" not in body["messages"][-1]

    async def test_a_plain_server_cannot(self) -> None:
        async with upstream(b"") as stub:
            engine = http_engine(stub.url, "openai")
            assert "messages[1].partial" in (await failure_of(engine, asking(*self.LAST))).message
            await engine.close()


async def test_dynamic_tools_are_declared_with_the_others() -> None:
    """contract.md 1.7: other servers know none in messages."""
    body = await sent("vllm", asking({"role": "system", "tools": [TOOL]}, user("Hi."), model="kimi-k3"))
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["tools"] == [TOOL]
    assert body["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("listed", "dialect", "expected"),
    [
        (["kimi-k2.6", "other"], "openai", "kimi-k2.6"),
        (["moonshotai/Kimi-K2.6"], "openai", "moonshotai/Kimi-K2.6"),
        (["base", "lora"], "vllm", "base"),
        (["a", "b"], "openai", "kimi-k2.6"),
        ([], "openai", "kimi-k2.6"),
    ],
)
async def test_the_upstreams_name_for_the_model(listed: list[str], dialect: DialectName, expected: str) -> None:
    models = whole({"object": "list", "data": [{"id": name, "object": "model"} for name in listed]})
    async with upstream(stream(delta(content="x"), delta("stop")), models=models) as stub:
        engine = http_engine(stub.url, dialect)
        await answer_of(engine)
        await engine.close()
    assert stub.bodies[0]["model"] == expected


async def test_a_thought_is_told_as_it_comes() -> None:
    """Nothing is held back that need not be."""
    async with upstream(stream(delta(reasoning="a"), delta(reasoning="b"), delta(content="c"), delta("stop"))) as stub:
        engine = http_engine(stub.url, "vllm")
        events = await events_of(engine)
        await engine.close()
    texts = [event for event in events if isinstance(event, ReasoningDelta | ReasoningEnded | ContentDelta)]
    assert texts == [ReasoningDelta("a"), ReasoningDelta("b"), ReasoningEnded(), ContentDelta("c")]
