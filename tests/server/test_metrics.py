"""`GET /metrics`, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open,  # pyright: ignore[reportUnknownVariableType]
)
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from moonbase.accounts.keys import KeyRing
from moonbase.contract import readings
from moonbase.engines.router import RouterEngine
from moonbase.engines.scripted import ScriptedEngine
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import delta, stream, totals, upstream, whole
from tests.running import KEY, Running, make_platform, running
from tests.server.client import Json, body, client, complete, post, user
from tests.server.test_batches import begin, ended, jsonl, line

WATCHER = "sk-watcher"
Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def asked(server: Running, *, key: str | None = None, accept: str = "") -> httpx.Response:
    headers = {"Accept": accept} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    async with httpx.AsyncClient() as http:
        return await http.get(f"{server.url}/metrics", headers=headers)


async def metrics(server: Running, **named: Any) -> Found:
    answer = await asked(server, **named)
    assert answer.status_code == 200, answer.text
    families = parse_plain(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Found, name: str, **labels: str) -> float | None:
    return found.get((f"moonbase_{name}", tuple(sorted(labels.items()))))


def requests(found: Found, route: str, model: str, status: int, error: str = "") -> float | None:
    return value(found, "requests_total", route=route, model=model, status=str(status), error=error)


CHAT = "/v1/chat/completions"
ANSWER = stream(delta(content="Hello."), delta("stop", usage=totals()))


async def test_answers_are_counted_with_their_tokens_and_times(server: Running) -> None:
    whole = (await complete(server, body()))["usage"]
    streamed = await post(server, body(stream=True))
    assert streamed.status_code == 200
    found = await metrics(server)
    assert requests(found, CHAT, "kimi-k2.6", 200) == 2
    tokens = {
        kind: value(found, "tokens_total", model="kimi-k2.6", kind=kind)
        for kind in ("prompt", "cached", "completion", "reasoning")
    }
    assert tokens["prompt"] == 2 * whole["prompt_tokens"]
    assert tokens["completion"] == 2 * whole["completion_tokens"]
    assert tokens["reasoning"] == 2 * whole["completion_tokens_details"]["reasoning_tokens"]
    assert value(found, "request_duration_seconds_count", route=CHAT, model="kimi-k2.6") == 2
    assert value(found, "first_token_seconds_count", model="kimi-k2.6") == 1, "the stream alone has one"
    assert value(found, "output_token_seconds_count", model="kimi-k2.6") == 1
    assert value(found, "answers_in_progress") == 0
    assert ("process_resident_memory_bytes", ()) in found


async def test_a_histogram_counts_what_is_no_more_than_each_bound(server: Running) -> None:
    await complete(server, body())
    found = await metrics(server)
    name = "moonbase_request_duration_seconds_bucket"
    buckets = [
        (float(dict(labels)["le"]), count)
        for (family, labels), count in found.items()
        if family == name and dict(labels)["route"] == CHAT
    ]
    took = value(found, "request_duration_seconds_sum", route=CHAT, model="kimi-k2.6")
    assert took is not None
    assert took > 0
    assert {bound for bound, count in buckets if count} == {bound for bound, _ in buckets if bound >= took}


async def test_what_clients_write_makes_no_series_of_its_own(server: Running) -> None:
    for model in ("one", "two", 'a"b\n'):
        assert (await post(server, body(model=model))).status_code == 404
    async with client(server) as http:
        for path in ("/files/file_1", "/files/file_2", "/nothing", "/nothing/else"):
            assert (await http.get(path)).status_code == 404
        assert (await http.get("/chat/completions")).status_code == 405
    found = await metrics(server)
    assert requests(found, CHAT, "", 404, "resource_not_found_error") == 3
    assert requests(found, CHAT, "", 405, "invalid_request_error") == 1
    assert requests(found, "/v1/files/{file_id}", "", 404, "resource_not_found_error") == 2
    assert requests(found, "other", "", 404, "resource_not_found_error") == 2


async def test_what_is_no_http_is_counted_too(server: Running) -> None:
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    writer.write(b"\x16\x03\x01 no HTTP\r\n\r\n")
    assert b" 400 " in await reader.read()
    writer.close()
    await writer.wait_closed()
    assert requests(await metrics(server), "other", "", 400, "invalid_request_error") == 1


async def test_answers_under_way_are_told(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=ScriptedEngine(pace=0.05))) as server, client(server) as http:
        request = http.build_request("POST", "/chat/completions", json=body(user("word " * 100), stream=True))
        answer = await http.send(request, stream=True)
        assert value(await metrics(server), "answers_in_progress") == 1
        await answer.aclose()


async def test_restored_reasoning_is_counted(server: Running) -> None:
    tool: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    first = body(user("Call the tool `look` with these JSON arguments: {}"), tools=[tool])
    message = (await complete(server, first))["choices"][0]["message"]
    del message["reasoning_content"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "seen"}
    await complete(server, body(*first["messages"], message, result, tools=[tool]))
    assert value(await metrics(server), "reasoning_restored_total", model="kimi-k2.6") == 1


async def test_requests_of_batches_have_a_route_of_their_own(server: Running) -> None:
    batch = await begin(server, jsonl(line("one"), line("two")))
    assert (await ended(server, batch))["status"] == "completed"
    assert requests(await metrics(server), "batch", "kimi-k2.6", 200) == 2


async def test_a_pool_tells_of_each_upstream(tmp_path: Path) -> None:
    async with upstream(whole({"error": {"message": "broken"}}, 500)) as bad, upstream(ANSWER) as good:
        members = [http_engine(bad.url), http_engine(good.url)]
        pool = RouterEngine(members)
        async with running(make_platform(tmp_path, engine=pool)) as server:
            for _ in range(3):
                await complete(server, body())
            found = await metrics(server)
        away, well = ({"engine": "", "upstream": member.name} for member in members)
        assert value(found, "upstream_requests_total", **away) == len(bad.asked)
        assert value(found, "upstream_failures_total", reason="500", **away) == len(bad.asked) > 0
        assert value(found, "upstream_requests_total", **well) == 3
        assert value(found, "upstream_failures_total", reason="500", **well) is None
        assert value(found, "upstream_up", **well) == 1
        assert value(found, "upstream_left_alone", **well) == 0
        assert value(found, "upstream_requests_in_progress", **well) == 0


async def test_an_upstream_that_is_away_is_down(tmp_path: Path) -> None:
    async with upstream(ANSWER) as gone:
        engine = http_engine(gone.url)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        assert (await post(server, body())).status_code == 503
        found = await metrics(server)
    there = {"engine": "", "upstream": engine.name}
    assert value(found, "upstream_up", **there) == 0
    assert value(found, "upstream_failures_total", reason="connection", **there) == 1


async def test_open_metrics_for_who_accepts_them(server: Running) -> None:
    await complete(server, body())
    for accept in (
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text;version=x",
    ):
        answer = await asked(server, accept=accept)
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert {family.name for family in parse_open(answer.text)} > {"moonbase_requests", "moonbase_tokens"}
    assert (await asked(server)).headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("watched", "key", "status"),
    [
        (True, WATCHER, 200),
        (True, KEY, 401),
        (True, None, 401),
        (False, KEY, 403),
        (False, None, 403),
    ],
)
async def test_with_api_keys_the_metrics_have_a_key_of_their_own(
    tmp_path: Path, watched: bool, key: str | None, status: int
) -> None:
    platform = make_platform(tmp_path, keys=(KEY,))
    if watched:
        platform = replace(platform, watchers=KeyRing([WATCHER]))
    async with running(platform) as server:
        answer = await asked(server, key=key)
        assert answer.status_code == status
        assert WATCHER not in answer.text
        async with client(server, WATCHER) as http:
            assert (await http.get("/models")).status_code == 401, "it opens nothing else"


async def test_without_api_keys_a_watchers_key_is_asked_for_all_the_same(tmp_path: Path) -> None:
    async with running(replace(make_platform(tmp_path), watchers=KeyRing([WATCHER]))) as server:
        assert (await asked(server)).status_code == 401
        assert (await asked(server, key=WATCHER)).status_code == 200


async def test_the_page_names_what_there_is(server: Running) -> None:
    """docs/metrics.md."""
    await complete(server, body())
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    named = set(re.findall(r"`(moonbase_\w+)`", page.split("## What there is")[1].split("## Questions")[0]))
    engines = {meter for meter in vars(readings).values() if isinstance(meter, readings.Meter)}
    said = {f"moonbase_{meter.name}{'_total' if meter.kind == 'counter' else ''}" for meter in engines}
    families = parse_plain((await asked(server)).text)
    counted = {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in families}
    own = {name for name in counted if name.startswith("moonbase_")} | {"moonbase_database_up"}
    assert named == own | said


async def test_the_metrics_never_hold_keys_or_content(server: Running) -> None:
    await complete(server, body(user("a secret recipe"), model="kimi-k2.6"))
    text = (await asked(server)).text
    assert KEY not in text
    assert "recipe" not in text
