"""`/v1/batches` (contract.md 5.5): from a file of requests to files of answers, whatever happens to the server."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError

from moonbase.accounts.file_index import FileLimits
from moonbase.accounts.keys import KeyRing
from moonbase.accounts.limits import RateLimits
from moonbase.accounts.money import DOLLAR
from moonbase.accounts.quotas import LocalQuotas
from moonbase.contract.batches import BatchBody
from moonbase.contract.cards import CARDS
from moonbase.contract.errors import EngineOverloaded, Unavailable
from moonbase.contract.events import Event, Failed
from moonbase.contract.files import FileObject, StoredFile
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.platform import BatchPace
from tests.running import KEY, NOW, Running, make_platform, running
from tests.server.client import Json, body, client, complete, error_of, post, user
from tests.server.test_files import send, sent, until

OTHER = "sk-other-key"
INVALID = "invalid_request_error"
PRICES = {card.id: card.price for card in CARDS}


def line(custom_id: str, payload: Json | None = None, **other: Any) -> Json:
    chosen = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions"}
    return {**chosen, "body": payload or body(user(custom_id)), **other}


def lines(*names: str) -> bytes:
    return jsonl(*(line(name) for name in names))


def jsonl(*values: Json) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


async def begin(server: Running, data: bytes, *, key: str = KEY, **asked: Any) -> Json:
    file = await sent(server, data, name="requests.jsonl", purpose="batch", key=key)
    wanted = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h", **asked}
    async with client(server, key) as http:
        answer = await http.post("/batches", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def look(server: Running, batch: Json, *, key: str = KEY) -> Json:
    async with client(server, key) as http:
        answer = await http.get(f"/batches/{batch['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ended(server: Running, batch: Json, *statuses: str, key: str = KEY) -> Json:
    """The batch once it has one of `statuses`, or has ended. Clients ask until it has, and so does this."""
    statuses = statuses or ("completed", "failed", "expired", "cancelled")
    async with asyncio.timeout(60):
        while (found := await look(server, batch, key=key))["status"] not in statuses:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def read(server: Running, file_id: str | None, *, key: str = KEY) -> list[Json]:
    if file_id is None:
        return []
    async with client(server, key) as http:
        answer = await http.get(f"/files/{file_id}/content")
    assert answer.status_code == 200, answer.text
    return [json.loads(text) for text in answer.text.splitlines()]


async def cancel(server: Running, batch: Json, *, key: str = KEY) -> httpx.Response:
    async with client(server, key) as http:
        return await http.post(f"/batches/{batch['id']}/cancel")


def answers(output: list[Json]) -> dict[str, str]:
    """Each custom id with the content of its answer."""
    found = {each["custom_id"]: each["response"]["body"]["choices"][0]["message"]["content"] for each in output}
    assert len(found) == len(output)
    return found


def owner() -> str:
    """What the ledger calls the caller, of a server without keys."""
    return KeyRing(()).authenticate(f"Bearer {KEY}")


def said(*names: str) -> dict[str, str]:
    return {name: f"You said: {name}" for name in names}


class Holding(ScriptedEngine):
    """Answers the first `free` requests, and holds the others until `release` is set; `held` says how many it has."""

    def __init__(self, free: int = 0) -> None:
        super().__init__()
        self._free = free
        self.asked: list[str] = []
        self.background: list[bool] = []
        self.held = 0
        self.most = 0
        self.release = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request.messages[-1].text)
        self.background.append(request.background)
        if self._free:
            self._free -= 1
        else:
            self.held += 1
            self.most = max(self.most, self.held)
            try:
                await self.release.wait()
            finally:
                self.held -= 1
        async for event in super().stream(request):
            yield event


class Unwell(ScriptedEngine):
    """Fails `failures` times, then answers."""

    def __init__(self, failure: Failed, failures: int) -> None:
        super().__init__()
        self._failure, self._left = failure, failures

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if self._left:
            self._left -= 1
            yield self._failure
            return
        async for event in super().stream(request):
            yield event


class Fragile(ScriptedEngine):
    """Crashes of "poison": all that it answers then fails. An answer takes long enough for one that came with it."""

    def __init__(self) -> None:
        super().__init__()
        self.crash = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        crash = self.crash
        if request.messages[-1].text.startswith("poison"):
            self.crash = asyncio.Event()
            crash.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(crash.wait(), 0.1)
            yield Failed(Unavailable("crashed"))
            return
        async for event in super().stream(request):
            yield event


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


async def test_a_life_of_a_batch(server: Running) -> None:
    """contract.md 5.5."""
    wrong = body(user("x"), n=3)
    batch = await begin(
        server, jsonl(line("a"), line("wrong", wrong), line("b", body(user("b"), stream=False))), metadata={"job": "1"}
    )
    assert batch == {
        "id": batch["id"],
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": batch["input_file_id"],
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": int(NOW),
        "in_progress_at": None,
        "expires_at": int(NOW) + 24 * 3600,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"completed": 0, "failed": 0, "total": 0},
        "metadata": {"job": "1"},
    }
    assert batch["id"].startswith("batch_")
    done = await ended(server, batch)
    assert done == batch | {
        "status": "completed",
        "in_progress_at": int(NOW),
        "finalizing_at": int(NOW),
        "completed_at": int(NOW),
        "request_counts": {"completed": 2, "failed": 1, "total": 3},
        "output_file_id": done["output_file_id"],
        "error_file_id": done["error_file_id"],
    }
    output = await read(server, done["output_file_id"])
    assert [each["custom_id"] for each in output] == ["a", "b"]  # in the order of the file
    assert answers(output) == said("a", "b")
    first = output[0]
    assert set(first) == {"id", "custom_id", "response", "error"}
    assert first["id"].startswith("batch_req_")
    assert first["error"] is None
    assert set(first["response"]) == {"status_code", "request_id", "body"}
    assert first["response"]["status_code"] == 200
    assert len(first["response"]["request_id"]) == 32
    alone = await complete(server, body(user("a")))
    changing = {"id", "created", "usage"}
    answered = first["response"]["body"]
    assert {k: v for k, v in answered.items() if k not in changing} == {
        k: v for k, v in alone.items() if k not in changing
    }
    (failed,) = await read(server, done["error_file_id"])
    assert failed == {
        "id": failed["id"],
        "custom_id": "wrong",
        "response": {
            "status_code": 400,
            "request_id": failed["response"]["request_id"],
            "body": {"error": {"message": "invalid n: only 1 is allowed for this model", "type": INVALID}},
        },
        "error": None,
    }


async def test_its_files_are_the_callers(server: Running) -> None:
    batch = await ended(server, await begin(server, lines("a")))
    assert batch["error_file_id"] is None
    async with client(server) as http:
        file = (await http.get(f"/files/{batch['output_file_id']}")).json()
        listed = (await http.get("/files", params={"purpose": "batch_output"})).json()["data"]
        content = await http.get(f"/files/{file['id']}/content")
    assert (file["purpose"], file["filename"]) == ("batch_output", f"{batch['id']}_output.jsonl")
    assert listed == [file]
    assert file["bytes"] == len(content.content)
    assert content.headers["content-type"] == "text/plain; charset=utf-8"
    async with client(server, OTHER) as http:
        assert error_of(await http.get(f"/files/{file['id']}/content"))[0] == 404
    async with client(server) as http:
        assert (await http.delete(f"/files/{file['id']}")).json()["deleted"]


async def test_a_batch_belongs_to_its_key(server: Running) -> None:
    batch = await ended(server, await begin(server, lines("a")))
    missing = (404, "resource_not_found_error", f"batch {batch['id']} is not found")
    async with client(server, OTHER) as http:
        assert error_of(await http.get(f"/batches/{batch['id']}")) == missing
        assert error_of(await http.post(f"/batches/{batch['id']}/cancel")) == missing
        assert (await http.get("/batches")).json() == {"object": "list", "data": [], "has_more": False}
        stolen = await http.post("/batches", json={"input_file_id": batch["input_file_id"], "completion_window": "12h"})
    assert error_of(stolen)[0] == 400
    async with client(server, None) as http:
        assert error_of(await http.get("/batches"))[0] == 401


async def test_the_pages_of_a_list(server: Running) -> None:
    batches = [await begin(server, lines("a")) for _ in range(3)]
    newest = [batch["id"] for batch in batches[::-1]]
    async with client(server) as http:

        async def page(**query: str | int) -> tuple[list[str], bool]:
            answer = (await http.get("/batches", params=query)).json()
            assert set(answer) == {"object", "data", "has_more"}
            return [batch["id"] for batch in answer["data"]], answer["has_more"]

        assert await page() == (newest, False)
        assert await page(limit=2) == (newest[:2], True)
        assert await page(limit=2, after=newest[1]) == (newest[2:], False)
        assert await page(limit=1, after=newest[0]) == (newest[1:2], True)
        assert await page(after="batch_gone") == ([], False)
        for limit in ("0", "101", "x"):
            status, _, message = error_of(await http.get("/batches", params={"limit": limit}))
            assert status == 400
            assert "`limit` must be a whole number from 1 to 100" in message


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"input_file_id": None}, "the `input_file_id` field in the request (expected type string) is illegal"),
        (
            {"input_file_id": "file_gone"},
            "the `input_file_id` field in the request names no file of yours: 'file_gone'",
        ),
        ({"input_file_id": "../x"}, "the `input_file_id` field in the request names no file of yours: '../x'"),
        ({"endpoint": "/v1/embeddings"}, "'/v1/embeddings' is not one of /v1/chat/completions"),
        ({"endpoint": 1}, "the `endpoint` field"),
        ({"completion_window": 24}, "the `completion_window` field in the request (expected type string) is illegal"),
        ({"completion_window": "11h"}, "hours or days from 12h to 7d, as in 24h or 3d, got '11h'"),
        ({"completion_window": "8d"}, "got '8d'"),
        ({"completion_window": "169h"}, "got '169h'"),
        ({"completion_window": "1w"}, "got '1w'"),
        ({"completion_window": "24h\n"}, "the `completion_window` field"),
        ({"metadata": [1]}, "the `metadata` field"),
        ({"metadata": {"a": 1}}, "the `metadata"),
        (
            {"metadata": {str(n): "" for n in range(17)}},
            "the `metadata` field in the request may have 16 members, got 17",
        ),
        ({"metadata": {"k" * 65: ""}}, "a name in the `metadata` field may have 64 characters, got 65"),
        ({"metadata": {"k": "v" * 513}}, "the `metadata.k` field in the request may have 512 characters, got 513"),
    ],
)
async def test_what_is_refused_is_named(server: Running, asked: Json, text: str) -> None:
    file = await sent(server, lines("a"), name="a.jsonl", purpose="batch")
    wanted = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h", **asked}
    async with client(server) as http:
        status, kind, message = error_of(await http.post("/batches", json=wanted))
        assert (await http.get("/batches")).json()["data"] == []
    assert (status, kind) == (400, INVALID)
    assert text in message


async def test_what_is_missing_or_malformed_is_named(server: Running) -> None:
    file = await sent(server, b"text", name="a.txt")
    async with client(server) as http:
        empty = await http.post("/batches", json={})
        broken = await http.post("/batches", content=b"{")
        other = await http.post("/batches", json={"input_file_id": file["id"], "completion_window": "7d"})
        put = await http.put("/batches")
        gone = await http.get("/batches/" + "x" * 500)
    assert error_of(empty) == (400, INVALID, "Invalid request: the `input_file_id` field in the request is required")
    assert "not valid JSON" in error_of(broken)[2]
    assert "uploaded with the purpose 'file-extract'; upload it with the purpose 'batch'" in error_of(other)[2]
    assert error_of(put)[0] == 405
    assert error_of(gone)[0] == 404
    assert len(error_of(gone)[2]) < 200


@pytest.mark.parametrize(
    ("wrong", "code", "param", "text"),
    [
        (b"{", "invalid_json_line", None, "the line is not valid JSON"),
        (b"[1]", "invalid_json_line", None, "the line is not a JSON object"),
        (b'{"custom_id":"\xff"}', "invalid_json_line", None, "the line is not valid JSON"),
        (b"[" * 5000, "invalid_json_line", None, "the line is not valid JSON"),
        (b"{}", "invalid_request", "custom_id", "the `custom_id` field in the request is required"),
        ({"custom_id": 7}, "invalid_request", "custom_id", "(expected type string)"),
        ({"custom_id": ""}, "invalid_custom_id", "custom_id", "1 to 512 characters, and has 0"),
        ({"custom_id": "x" * 513}, "invalid_custom_id", "custom_id", "1 to 512 characters, and has 513"),
        ({"custom_id": "good"}, "duplicate_custom_id", "custom_id", "'good' is that of line 1 too"),
        ({"method": "GET"}, "invalid_method", "method", "must be 'POST', got 'GET'"),
        ({"url": "/v1/embeddings"}, "invalid_url", "url", "must be '/v1/chat/completions', got '/v1/embeddings'"),
        ({"body": "x"}, "invalid_request", "body", "the `body` field"),
        ({"body": {}}, "invalid_request", "body.model", "the `body.model` field in the request is required"),
        ({"body": body(stream=True)}, "stream_not_supported", "body.stream", "a batch has no streams"),
        ({"body": body(stream=1)}, "invalid_request", "body.stream", "(expected type bool)"),
        ({"body": body(model="kimi-k2.5")}, "mismatched_model", "body.model", "for one model"),
    ],
)
async def test_a_bad_line_fails_the_batch(
    server: Running, wrong: bytes | Json, code: str, param: str | None, text: str
) -> None:
    """Nothing of it is answered, and nothing charged."""
    bad = wrong if isinstance(wrong, bytes) else json.dumps({**line("bad"), **wrong}).encode()
    batch = await ended(server, await begin(server, jsonl(line("good")) + b"\n" + bad + b"\n"))
    assert batch["status"] == "failed"
    assert batch["failed_at"] == int(NOW)
    assert batch["in_progress_at"] is None
    assert batch["request_counts"] == {"completed": 0, "failed": 0, "total": 0}
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
    (error,) = batch["errors"]["data"]
    assert batch["errors"]["object"] == "list"
    assert (error["code"], error["param"], error["line"]) == (code, param, 3)
    assert text in error["message"]
    assert server.platform.ledger.used(owner()) == {}


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("kimi-k3", "the model kimi-k3 is not available for batches"),
        ("kimi-k9", "Not found the model kimi-k9 or Permission denied"),
    ],
)
async def test_the_model_must_be_served(server: Running, model: str, text: str) -> None:
    batch = await ended(server, await begin(server, jsonl(line("a", body(model=model)))))
    assert batch["status"] == "failed"
    (error,) = batch["errors"]["data"]
    assert error == {"code": "invalid_model", "message": text, "param": "body.model", "line": 1}


@pytest.mark.parametrize("data", [b"\n", b" \n\r\n", b"\xef\xbb\xbf\n"])
async def test_a_file_without_requests(server: Running, data: bytes) -> None:
    batch = await ended(server, await begin(server, data))
    assert batch["status"] == "failed"
    assert batch["errors"]["data"] == [
        {
            "code": "empty_file",
            "message": "the input file has no requests; write one on each line",
            "param": None,
            "line": None,
        }
    ]


async def test_many_bad_lines_are_told_up_to_a_bound(server: Running) -> None:
    batch = await ended(server, await begin(server, b"{\n" * 500))
    assert [error["line"] for error in batch["errors"]["data"]] == list(range(1, 51))


async def test_files_as_editors_write_them(server: Running) -> None:
    """A byte order mark, other line ends, blank lines, no end of the last line, and any character in a custom id."""
    name = 'ä房"\\🙂\u2028'
    data = b"\xef\xbb\xbf" + lines("a").replace(b"\n", b"\r\n") + b"\r\n  \n" + jsonl(line(name, body(user("b"))))[:-1]
    batch = await ended(server, await begin(server, data))
    assert batch["status"] == "completed"
    async with client(server) as http:
        text = (await http.get(f"/files/{batch['output_file_id']}/content")).content
    assert [json.loads(each)["custom_id"] for each in text.split(b"\n") if each] == ["a", name]


async def test_the_openai_library(server: Running) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key=KEY) as api:
        file = await api.files.create(file=("requests.jsonl", lines("a", "b")), purpose="batch")
        batch = await api.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
        )
        await ended(server, {"id": batch.id})
        batch = await api.batches.retrieve(batch.id)
        assert batch.status == "completed"
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.total) == (2, 2)
        assert batch.metadata == {"a": "b"}
        assert batch.output_file_id is not None
        text = (await api.files.content(batch.output_file_id)).text
        assert answers([json.loads(each) for each in text.splitlines()]) == said("a", "b")
        again = await api.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert [each.id async for each in api.batches.list(limit=1)] == [again.id, batch.id]
        with pytest.raises(BadRequestError, match="has the status 'completed'"):
            await api.batches.cancel(batch.id)


async def test_a_batch_costs_less(tmp_path: Path) -> None:
    """contract.md 5.5, 8.3: 60 percent of the price, to the billionth."""
    async with running(make_platform(tmp_path)) as server:
        batch = await ended(server, await begin(server, lines("a", "b")))
        usage = [each["response"]["body"]["usage"] for each in await read(server, batch["output_file_id"])]
        used = server.platform.ledger.used(owner())["kimi-k2.6"]
        balance = server.platform.ledger.balance(owner())
    price = PRICES["kimi-k2.6"]
    full = sum(
        (one["prompt_tokens"] - one["cached_tokens"]) * round(price.input * 1000)
        + one["cached_tokens"] * round(price.cached_input * 1000)
        + one["completion_tokens"] * round(price.output * 1000)
        for one in usage
    )
    assert used.requests == 2
    assert used.cost * 10 == full * 6
    assert balance.voucher == 1_000_000 * DOLLAR - used.cost


async def test_every_published_price_is_whole_with_the_discount() -> None:
    for price in PRICES.values():
        for dollars in (price.input, price.cached_input, price.output):
            assert round(dollars * 1000) * 60 % 100 == 0


async def test_a_search_in_a_batch_costs_what_it_costs(tmp_path: Path) -> None:
    asked = body(user('Call the tool `$web_search` with these JSON arguments: {"query": "moon"}'))
    asked["tools"] = [{"type": "builtin_function", "function": {"name": "$web_search"}}]
    async with running(make_platform(tmp_path)) as server:
        batch = await ended(server, await begin(server, jsonl(line("a", asked))))
        (answer,) = await read(server, batch["output_file_id"])
        used = server.platform.ledger.used(owner())["kimi-k2.6"]
    choice = answer["response"]["body"]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    usage = answer["response"]["body"]["usage"]
    assert used.cost == usage["prompt_tokens"] * 570 + usage["completion_tokens"] * 2400 + DOLLAR * 5 // 1000


async def test_limits_are_for_those_who_wait(tmp_path: Path) -> None:
    """A batch counts towards neither the requests nor the tokens of a minute, nor what is answered at once."""
    quotas = LocalQuotas(RateLimits(concurrency=1, rpm=1, tpm=40_000), lambda: NOW)
    async with running(make_platform(tmp_path, quotas=quotas)) as server:
        batch = await ended(server, await begin(server, lines(*"abcde")))
        assert batch["request_counts"] == {"completed": 5, "failed": 0, "total": 5}
        await complete(server, body())


async def test_without_balance_requests_fail(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, credit=0)) as server:
        batch = await ended(server, await begin(server, lines("a")))
        (failed,) = await read(server, batch["error_file_id"])
    assert batch["request_counts"] == {"completed": 0, "failed": 1, "total": 1}
    assert failed["response"]["status_code"] == 429
    assert failed["response"]["body"]["error"]["type"] == "exceeded_current_quota_error"


@pytest.mark.parametrize("error", [Unavailable("down"), EngineOverloaded("busy")])
async def test_an_engine_that_cannot_answer_is_asked_again(tmp_path: Path, error: Unavailable) -> None:
    async with running(make_platform(tmp_path, engine=Unwell(Failed(error), 2))) as server:
        batch = await ended(server, await begin(server, lines("a")))
        assert answers(await read(server, batch["output_file_id"])) == said("a")
        assert server.platform.ledger.used(owner())["kimi-k2.6"].requests == 1


async def test_an_engine_that_stays_away_fails_the_request(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=Unwell(Failed(Unavailable("down")), 3))) as server:
        batch = await ended(server, await begin(server, lines("a")))
        (failed,) = await read(server, batch["error_file_id"])
    assert failed["response"]["status_code"] == 503
    assert failed["response"]["body"]["error"] == {
        "message": "down (asked 3 times)",
        "type": "server_unavailable",
    }


async def test_requests_that_fail_again_and_again_do_not_hold_up_the_others(tmp_path: Path) -> None:
    pace = BatchPace(pauses=(3600,))
    async with running(make_platform(tmp_path, engine=Fragile(), batch_pace=pace)) as server:
        batch = await begin(server, lines("poison", "poison 2", "a", "b", "c"))
        async with asyncio.timeout(60):
            while (found := await look(server, batch))["request_counts"]["completed"] < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert found["status"] == "in_progress"


async def test_one_that_brings_the_engine_down_fails_alone(tmp_path: Path) -> None:
    pace = BatchPace(pauses=(0, 0, 0, 0, 0))
    async with running(make_platform(tmp_path, engine=Fragile(), batch_pace=pace)) as server:
        batch = await ended(server, await begin(server, lines("a", "poison")))
        assert answers(await read(server, batch["output_file_id"])) == said("a")
        (failed,) = await read(server, batch["error_file_id"])
    assert failed["custom_id"] == "poison"
    assert failed["response"]["body"]["error"]["message"] == "crashed (asked 6 times)"


async def test_few_at_once_and_batches_take_turns(tmp_path: Path) -> None:
    engine = Holding()
    async with running(make_platform(tmp_path, engine=engine, batch_pace=BatchPace(at_once=1))) as server:
        first = await begin(server, lines("a1", "a2", "a3"))
        await until(lambda: engine.held == 1)
        second = await begin(server, lines("b1", "b2", "b3"))
        await ended(server, second, "in_progress")
        engine.release.set()
        await ended(server, first)
        await ended(server, second)
    assert engine.most == 1
    assert sorted(engine.asked) == ["a1", "a2", "a3", "b1", "b2", "b3"]
    assert engine.asked.index("b1") < engine.asked.index("a3")


async def test_many_batches_of_one_key_do_not_hold_up_another(tmp_path: Path) -> None:
    engine = Holding()
    async with running(make_platform(tmp_path, engine=engine, batch_pace=BatchPace(at_once=1))) as server:
        many = [await begin(server, lines(f"{name}1", f"{name}2", f"{name}3")) for name in "abcd"]
        one = await begin(server, lines("other"), key=OTHER)
        await ended(server, one, "in_progress", key=OTHER)
        assert [(await look(server, batch))["status"] for batch in many[2:]] == ["validating", "validating"]
        engine.release.set()
        for batch in many:
            assert (await ended(server, batch))["request_counts"]["completed"] == 3
        await ended(server, one, key=OTHER)
    assert engine.asked.index("other") < 5


async def test_a_batch_stands_behind_callers(tmp_path: Path) -> None:
    """While somebody waits for an answer no request of a batch begins."""
    engine = Holding()
    pace = BatchPace(patience=3600)
    async with running(make_platform(tmp_path, engine=engine, batch_pace=pace)) as server:
        waiting = asyncio.create_task(complete(server, body(user("caller"))))
        await until(lambda: engine.held == 1)
        batch = await ended(server, await begin(server, lines("a")), "in_progress")
        assert engine.asked == ["caller"]
        engine.release.set()
        await waiting
        assert (await ended(server, batch))["status"] == "completed"
    assert engine.asked == ["caller", "a"]
    assert engine.background == [False, True]


async def test_a_server_that_never_rests_goes_on_with_batches(tmp_path: Path) -> None:
    engine = Holding()
    pace = BatchPace(patience=0.01)
    async with running(make_platform(tmp_path, engine=engine, batch_pace=pace)) as server:
        waiting = asyncio.create_task(complete(server, body(user("caller"))))
        await until(lambda: engine.held == 1)
        batch = await begin(server, lines("a"))
        await until(lambda: engine.held == 2)
        engine.release.set()
        await waiting
        await ended(server, batch)


async def test_cancelled_with_what_was_answered(tmp_path: Path) -> None:
    engine = Holding(free=2)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        batch = await begin(server, lines("a", "b", "c", "d", "e"))
        await until(lambda: engine.held == 2)
        assert (await look(server, batch))["request_counts"] == {"completed": 2, "failed": 0, "total": 5}
        cancelling = (await cancel(server, batch)).json()
        assert (cancelling["status"], cancelling["cancelling_at"]) == ("cancelling", int(NOW))
        done = await ended(server, batch)
        assert (done["status"], done["cancelled_at"]) == ("cancelled", int(NOW))
        assert done["request_counts"] == {"completed": 2, "failed": 3, "total": 5}
        assert answers(await read(server, done["output_file_id"])) == said("a", "b")
        rest = await read(server, done["error_file_id"])
        assert [each["custom_id"] for each in rest] == ["c", "d", "e"]
        assert {each["error"]["code"] for each in rest} == {"batch_cancelled"}
        assert {each["response"] for each in rest} == {None}
        assert engine.held == 0
        assert server.platform.ledger.used(owner())["kimi-k2.6"].requests == 2
        status, kind, message = error_of(await cancel(server, batch))
        assert (status, kind) == (400, INVALID)
        assert "has the status 'cancelled'; only batches that are finalizing, in_progress, validating" in message


async def test_expired_with_what_was_answered(tmp_path: Path) -> None:
    """The rest is in the error file; also where nobody was there when the time passed."""
    clock, engine = Clock(), Holding(free=1)
    async with running(make_platform(tmp_path, engine=engine, clock=clock)) as server:
        batch = await begin(server, lines("a", "b", "c"), completion_window="12h")
        await until(lambda: engine.held == 2)
    clock.now += 12 * 3600
    async with running(make_platform(tmp_path, engine=engine, clock=clock)) as server:
        done = await ended(server, batch)
        assert (done["status"], done["expired_at"]) == ("expired", int(NOW) + 12 * 3600)
        assert done["request_counts"] == {"completed": 1, "failed": 2, "total": 3}
        assert answers(await read(server, done["output_file_id"])) == said("a")
        rest = await read(server, done["error_file_id"])
    assert [(each["custom_id"], each["error"]["code"]) for each in rest] == [
        ("b", "batch_expired"),
        ("c", "batch_expired"),
    ]


async def test_expired_in_the_middle(tmp_path: Path) -> None:
    """By the server's own clock, while a request is under way."""
    clock, engine = Clock(), Holding()
    async with running(make_platform(tmp_path, engine=engine, clock=clock)) as server:
        batch = await begin(server, lines("a"), completion_window="12h")
        clock.now += 12 * 3600 - 0.2
        done = await ended(server, batch)
    assert done["status"] == "expired"
    assert engine.held == 0


async def test_cancelled_while_its_input_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread opens for a batch that has ended meanwhile is closed again."""
    platform, opened, goes_on = make_platform(tmp_path), list[BinaryIO](), threading.Event()
    opens = platform.batches.open_input

    def slowly(batch_id: str) -> BinaryIO:
        opened.append(file := opens(batch_id))
        if len(opened) == 2:  # the first looks for mistakes
            goes_on.wait(10)
        return file

    monkeypatch.setattr(platform.batches, "open_input", slowly)
    async with running(platform) as server:
        batch = await begin(server, lines("a"))
        await until(lambda: len(opened) == 2)
        await cancel(server, batch)
        done = await ended(server, batch)
        goes_on.set()
        await until(lambda: all(file.closed for file in opened))
    assert done["status"] == "cancelled"


async def test_a_graceful_stop_fails_nothing(tmp_path: Path) -> None:
    engine = Holding(free=1)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        batch = await begin(server, lines("a", "b", "c"))
        await until(lambda: engine.held == 2)
        server.listener.leave()
    assert engine.held == 0
    async with running(make_platform(tmp_path)) as server:
        done = await ended(server, batch)
        assert done["status"] == "completed"
        assert answers(await read(server, done["output_file_id"])) == said("a", "b", "c")


async def test_a_key_that_was_taken_away_asks_no_more(tmp_path: Path) -> None:
    """Its batches stand still; they go on when it is back, and expire when their time has come."""
    clock, engine = Clock(), Holding(free=1)
    async with running(make_platform(tmp_path, engine=engine, keys=(KEY,), clock=clock)) as server:
        batch = await begin(server, lines("a", "b"))
        late = await begin(server, lines("c"), completion_window="12h")
        await until(lambda: engine.held == 2)
    clock.now += 12 * 3600
    other = Holding(free=100)
    async with running(make_platform(tmp_path, engine=other, keys=(OTHER,), clock=clock)) as server:
        mine = await ended(server, await begin(server, lines("x"), key=OTHER), key=OTHER)
        assert mine["status"] == "completed"
        assert other.asked == ["x"]
    async with running(make_platform(tmp_path, engine=other, keys=(KEY,), clock=clock)) as server:
        assert (await ended(server, late))["status"] == "expired"
        assert (await ended(server, batch))["status"] == "completed"


async def test_a_request_may_be_as_large_as_one_that_is_sent(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, max_body=1000)) as server:
        batch = await ended(server, await begin(server, jsonl(line("a"), line("b", body(user("x" * 2000))))))
        (failed,) = await read(server, batch["error_file_id"])
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("b", 413)


async def test_a_kill_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """What is on the disk in the middle of a batch is all that another process needs."""
    engine = Holding(free=3)
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    async with running(make_platform(before, engine=engine)) as server:
        batch = await begin(server, lines(*"abcdefg"))
        await until(lambda: engine.held == 2)
        async with client(server) as http:
            await http.delete(f"/files/{batch['input_file_id']}")  # the batch has it still
        assert server.platform.ledger.flush()
        shutil.copytree(before, after)
        killed = server.platform.ledger.used(owner())["kimi-k2.6"].requests
    assert killed == 3
    second = Holding(free=100)
    async with running(make_platform(after, engine=second)) as server:
        done = await ended(server, batch)
        assert done["status"] == "completed"
        assert done["request_counts"] == {"completed": 7, "failed": 0, "total": 7}
        assert answers(await read(server, done["output_file_id"])) == said(*"abcdefg")
        assert sorted(second.asked) == list("defg")
        assert server.platform.ledger.used(owner())["kimi-k2.6"].requests == 7


async def test_killed_between_the_output_and_its_batch(tmp_path: Path) -> None:
    """The file was written, and nobody has been told: it is not written twice."""
    platform = make_platform(tmp_path)
    (tmp_path / "requests.jsonl").write_bytes(lines("a"))
    file = FileObject(id="file_" + "0" * 32, bytes=1, created_at=0, filename="a.jsonl", purpose="batch")
    asked = BatchBody(input_file_id=file.id, completion_window="12h")
    batch = await platform.batches.create(owner(), asked, StoredFile(file, tmp_path / "requests.jsonl"))
    record = await platform.batches.read(batch.id)
    written = [b'{"written":"before"}\n']
    await platform.files.write(owner(), record.output_id, written, filename="x", purpose="batch_output")
    for close in platform.closing:
        await close()
    async with running(make_platform(tmp_path)) as server:
        done = await ended(server, {"id": batch.id})
        assert await read(server, done["output_file_id"]) == [{"written": "before"}]
        async with client(server) as http:
            assert len((await http.get("/files")).json()["data"]) == 1


async def test_one_process_runs_a_batch(tmp_path: Path) -> None:
    """Of two over one data directory; the other takes it up when the first is gone, and cancels it meanwhile."""
    engine, other = Holding(free=1), Holding(free=100)
    async with running(make_platform(tmp_path, engine=other)) as second:
        async with running(make_platform(tmp_path, engine=engine)) as first:
            batch = await begin(first, lines("a", "b", "c"))
            await until(lambda: engine.held == 2)
            assert (await look(second, batch))["status"] == "in_progress"
            assert other.asked == []
        # The second looks every few seconds; a new batch makes it look now.
        await ended(second, await begin(second, lines("x")))
        done = await ended(second, batch)
        assert answers(await read(second, done["output_file_id"])) == said("a", "b", "c")
    assert Counter(other.asked) == Counter(["b", "c", "x"])


async def test_another_process_cancels_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it looks for that every few seconds."""
    monkeypatch.setattr("moonbase.server.batch_runner.LOOK", 0.05)
    engine = Holding(free=1)
    async with running(make_platform(tmp_path, engine=engine)) as first, running(make_platform(tmp_path)) as second:
        batch = await begin(first, lines("a", "b"))
        await until(lambda: engine.held == 1)
        assert (await cancel(second, batch)).json()["status"] == "cancelling"
        done = await ended(second, batch)
        assert (done["status"], engine.held) == ("cancelled", 0)
        assert answers(await read(second, done["output_file_id"])) == said("a")


async def test_output_has_room_whatever_the_limits_of_uploads(tmp_path: Path) -> None:
    limits = FileLimits(file_bytes=400, count=1, total_bytes=400)
    async with running(make_platform(tmp_path, file_limits=limits)) as server:
        done = await ended(server, await begin(server, lines("a", "b")))
        assert answers(await read(server, done["output_file_id"])) == said("a", "b")
        assert "exceeded the max file count" in error_of(await send(server, b"x"))[2]


async def test_nothing_is_left_of_a_batch_that_has_ended(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server:
        await ended(server, await begin(server, lines("a")))
        await ended(server, await begin(server, b"{"))
        await until(lambda: not list((tmp_path / "batches").iterdir()))
    with closing(sqlite3.connect(tmp_path / "batches.db")) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (0,)
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)


async def test_a_key_has_so_many_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moonbase.accounts.batches.MOST_UNDER_WAY", 2)
    engine = Holding()
    async with running(make_platform(tmp_path, engine=engine)) as server:
        first = await begin(server, lines("a"))
        await begin(server, lines("b"))
        wanted = {"input_file_id": first["input_file_id"], "completion_window": "1d"}
        async with client(server) as http:
            refused = await http.post("/batches", json=wanted)
            assert error_of(refused)[:2] == (400, INVALID)
            assert "2 batches of yours have not ended" in error_of(refused)[2]
            await cancel(server, first)
            await ended(server, first)
            assert (await http.post("/batches", json=wanted)).status_code == 200
        await begin(server, lines("c"), key=OTHER)


async def test_reasoning_that_a_client_dropped_is_put_back(server: Running) -> None:
    """As in chat completions (contract.md 3)."""
    asked = user('Call the tool `weather` with these JSON arguments: {"city": "Quito"}')
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    answer = await complete(server, body(asked, tools=tools))
    message = {k: v for k, v in answer["choices"][0]["message"].items() if k != "reasoning_content"}
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"}
    batch = await begin(server, jsonl(line("a", body(asked, message, result, tools=tools))))
    done = await ended(server, batch)
    assert answers(await read(server, done["output_file_id"])) == {"a": "sunny"}


async def test_a_batch_pushes_no_conversation_out_of_what_is_remembered(server: Running) -> None:
    """Its own answers are not remembered: whoever goes on from one sends its reasoning back (contract.md 3)."""
    asked = user('Call the tool `weather` with these JSON arguments: {"city": "Quito"}')
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    done = await ended(server, await begin(server, jsonl(line("a", body(asked, tools=tools)))))
    (answer,) = await read(server, done["output_file_id"])
    message = answer["response"]["body"]["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sunny"}
    went_on = await complete(server, body(asked, message, result, tools=tools))
    assert went_on["choices"][0]["message"]["content"] == "sunny"
    dropped = {k: v for k, v in message.items() if k != "reasoning_content"}
    status, _, text = error_of(await post(server, body(asked, dropped, result, tools=tools)))
    assert status == 400
    assert "reasoning_content" in text
