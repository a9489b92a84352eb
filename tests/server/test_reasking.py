"""Answers that were asked for again, on the wire: the header, the counts, the log, the error."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from moonbase.engines.reasking import ReaskingEngine
from tests.engines.takes import Take, Takes
from tests.engines.test_reasking import BAD, FORM, GOOD, OFF, TOOLS
from tests.running import make_platform, running
from tests.server.client import Json, body, error_of, post, stream, user


def answering(*takes: Take) -> ReaskingEngine:
    return ReaskingEngine(Takes(*takes), tries=2)


async def test_a_whole_answer_says_how_often(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "moonbase.access"):
        async with running(make_platform(tmp_path, engine=answering(Take(BAD), Take(BAD), Take(GOOD)))) as server:
            answer = await post(server, body(**FORM))
    assert answer.headers["x-moonbase-reasked"] == "2"
    assert answer.json()["choices"][0]["message"]["content"] == GOOD
    assert answer.json()["usage"]["completion_tokens"] == 2 * len(Take(BAD).events()) + len(Take(GOOD).events())
    assert "reasked=2" in caplog.text


@pytest.mark.parametrize("fields", [FORM, {**TOOLS, "tool_choice": "required", **OFF}])
async def test_a_stream_says_so_where_nothing_had_to_go_out_before(tmp_path: Path, fields: Json) -> None:
    broken, whole = (Take(BAD), Take(GOOD)) if fields is FORM else (Take("No."), Take(calls=(("put", GOOD),)))
    async with running(make_platform(tmp_path, engine=answering(broken, whole))) as server:
        answer = await stream(server, body(user("Go."), **fields))
    assert answer.headers["x-moonbase-reasked"] == "1"
    said = "".join(
        delta.get("content") or "".join(call["function"]["arguments"] for call in delta.get("tool_calls", ()))
        for delta in answer.deltas
    )
    assert said == GOOD
    assert answer.end["usage"]["completion_tokens"] == len(broken.events()) + len(whole.events())


async def test_a_stream_whose_reasoning_went_out_counts_it_all(tmp_path: Path) -> None:
    takes = Take(BAD, reasoning="one two"), Take(GOOD, reasoning="three")
    async with running(make_platform(tmp_path, engine=answering(*takes))) as server:
        options = {"include_usage": True, "continuous_usage_stats": True}
        answer = await stream(server, body(user("Go."), **FORM, stream_options=options))
    assert (answer.joined("reasoning_content"), answer.joined("content")) == ("onetwo", GOOD)
    counts = [frame["usage"]["completion_tokens"] for frame in answer.frames]
    assert counts == sorted(counts)
    assert answer.frames[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_never_fits_is_an_error(tmp_path: Path, streamed: bool) -> None:
    async with running(make_platform(tmp_path, engine=answering(Take(BAD)))) as server:
        status, kind, message = error_of(await post(server, body(stream=streamed, **FORM)))
    assert (status, kind) == (500, "unexpected_output")
    assert "each of 3 times that it was asked: 'one' is not of type 'integer'" in message


async def test_nothing_is_said_where_it_fits(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=answering(Take(GOOD)))) as server:
        assert "x-moonbase-reasked" not in (await post(server, body(**FORM))).headers
