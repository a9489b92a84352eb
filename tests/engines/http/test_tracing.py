"""A client's trace (W3C Trace Context) goes on at the upstream, and stands in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from moonbase.engines.http.dialect import DialectName
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import delta, stream, totals, upstream
from tests.running import make_platform, running
from tests.server.client import body, client

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ANSWER = stream(delta(content="Hello."), delta("stop", usage=totals()))


@pytest.mark.parametrize(("dialect", "told"), [("vllm", True), ("moonbase", True), ("kimi", False)])
@pytest.mark.parametrize("streams", [False, True])
async def test_an_engine_of_ones_own_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dialect: DialectName, told: bool, streams: bool
) -> None:
    async with (
        upstream(ANSWER) as there,
        running(make_platform(tmp_path, engine=http_engine(there.url, dialect))) as server,
        client(server) as http,
    ):
        with caplog.at_level(logging.INFO, "moonbase.access"):
            headers = {"traceparent": PARENT, "tracestate": "rojo=1"}
            answer = await http.post("/chat/completions", json=body(stream=streams), headers=headers)
        assert answer.status_code == 200, answer.text
        sent = there.asked[-1].headers
        assert sent.get("traceparent") == (PARENT if told else None)
        assert sent.get("tracestate") == ("rojo=1" if told else None)
        assert caplog.messages[-1].endswith(f" traceparent={PARENT}")


async def test_without_a_trace_none_is_made_up(tmp_path: Path) -> None:
    async with (
        upstream(ANSWER) as there,
        running(make_platform(tmp_path, engine=http_engine(there.url, "vllm"))) as server,
        client(server) as http,
    ):
        for headers in ({}, {"traceparent": "no trace"}, {"tracestate": "rojo=1"}):
            assert (await http.post("/chat/completions", json=body(), headers=headers)).status_code == 200
        assert not any("trace" in name for asked in there.asked for name in asked.headers)
