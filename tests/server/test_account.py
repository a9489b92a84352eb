"""`GET /v1/users/me/balance`, and what requests cost (contract.md 5.3, 4.2, 8.3)."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from moonbase.accounts.keys import KeyRing, account_name
from moonbase.accounts.ledger import Balance
from moonbase.accounts.money import DOLLAR, rates
from moonbase.accounts.store import Account, StoreFailed, Used
from moonbase.contract.cards import CARDS
from moonbase.contract.engine import AtOnce
from moonbase.contract.errors import Unavailable
from moonbase.contract.events import ContentDelta, Event, Failed, Finished, PromptRead, ReasoningDelta, Usage
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.account import shown
from tests.documents.live import Live, serving
from tests.playing import Playing
from tests.running import KEY, Running, make_platform, running
from tests.server.client import Json, body, client, error_of, post, stream, user
from tests.server.test_leaving import LONG, begin, settled

OWNER = KeyRing().authenticate(f"Bearer {KEY}")
K2_6 = rates(next(card.price for card in CARDS if card.id == "kimi-k2.6"))
CREDIT = 1_000_000 * DOLLAR


class FullDisk:
    shared = False

    def load(self) -> dict[str, Account]:
        return {}

    def read(self, owners: Collection[str]) -> dict[str, Account]:
        return {}

    def add(self, batch: Mapping[str, Account], name: str) -> None:
        raise StoreFailed("no space left")

    def close(self) -> None: ...


def used(server: Running, owner: str = OWNER) -> Used:
    return server.platform.ledger.used(owner).get("kimi-k2.6", Used())


def spent(server: Running, owner: str = OWNER) -> int:
    return CREDIT - server.platform.ledger.balance(owner).available


async def balance(server: Running, key: str = KEY) -> Json:
    async with client(server, key) as http:
        answer = await http.get("/users/me/balance")
    assert answer.status_code == 200, answer.text
    return answer.json()


def noted(usage: Json) -> Used:
    """One request's `usage` as the ledger has it."""
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    counts = Usage(usage["prompt_tokens"], usage["completion_tokens"], reasoning, usage["cached_tokens"])
    return Used(
        1,
        counts.prompt_tokens,
        counts.cached_tokens,
        counts.completion_tokens,
        counts.reasoning_tokens,
        K2_6.cost(counts),
    )


async def test_a_new_key_has_the_credit(server: Running) -> None:
    """contract.md 5.3, the whole shape."""
    assert await balance(server) == {
        "code": 0,
        "data": {"available_balance": 1_000_000, "voucher_balance": 1_000_000, "cash_balance": 0},
        "scode": "0x0",
        "status": True,
    }


async def test_it_takes_a_key_and_only_get(server: Running) -> None:
    async with client(server, None) as http:
        assert error_of(await http.get("/users/me/balance"))[:2] == (401, "incorrect_api_key_error")
    async with client(server) as http:
        assert error_of(await http.post("/users/me/balance"))[0] == 405
        assert error_of(await http.get("/users/you/balance"))[0] == 404
        assert (await http.get("/users/me/balance")).headers["x-trace-id"]


def test_five_decimals_rounded_down() -> None:
    """contract.md 5.3, the documented numbers: what is available is the sum of what is shown."""
    as_documented = shown(Balance(46_588_930_000, 3_000_010_000)).data
    assert as_documented.available_balance == 49.58894
    assert (as_documented.voucher_balance, as_documented.cash_balance) == (46.58893, 3.00001)
    down = shown(Balance(19_999, 19_999)).data
    assert (down.available_balance, down.voucher_balance, down.cash_balance) == (0.00002, 0.00001, 0.00001)
    debt = shown(Balance(5 * DOLLAR, -1)).data
    assert (debt.available_balance, debt.voucher_balance, debt.cash_balance) == (5.0, 5.0, -0.00001)


async def test_what_an_answer_costs(tmp_path: Path) -> None:
    """contract.md 8.3, kimi-k2.6, by hand: 200,000 x $0.95 + 100,000 x $0.16 + 50,000 x $4.00 for a million each is
    $0.406; of $10 there are $9.594 left."""
    usage = Usage(prompt_tokens=300_000, completion_tokens=50_000, reasoning_tokens=30_000, cached_tokens=100_000)
    engine = Playing(PromptRead(300_000, 100_000), ContentDelta("Hi."), Finished("stop", usage))
    async with running(make_platform(tmp_path, engine=engine, credit=10 * DOLLAR)) as server:
        assert (await post(server, body())).status_code == 200
        left = (await balance(server))["data"]
    assert left == {"available_balance": 9.594, "voucher_balance": 9.594, "cash_balance": 0}


async def test_streamed_or_whole_it_costs_what_usage_says(server: Running) -> None:
    whole = noted((await post(server, body())).json()["usage"])
    assert used(server) == whole
    assert spent(server) == whole.cost > 0
    answer = await stream(server, body())
    streamed = noted(answer.end["usage"])
    assert streamed.cost == whole.cost
    assert spent(server) == 2 * whole.cost
    assert used(server).requests == 2
    left = (await balance(server))["data"]["available_balance"]
    assert Decimal(str(left)) == Decimal(CREDIT - 2 * whole.cost) // 10_000 / 100_000


@pytest.mark.parametrize("streamed", [False, True])
async def test_several_choices_are_one_request(server: Running, streamed: bool) -> None:
    payload = body(model="kimi-k2-thinking", n=3)
    if streamed:
        frames = (await stream(server, {**payload, "stream_options": {"include_usage": True}})).frames
        usage = frames[-1]["usage"]
    else:
        usage = (await post(server, payload)).json()["usage"]
    (noted_here,) = server.platform.ledger.used(OWNER).values()
    assert noted_here.requests == 1
    assert noted_here.prompt_tokens == usage["prompt_tokens"]
    assert noted_here.completion_tokens == usage["completion_tokens"]


async def test_cached_tokens_have_the_cached_price(server: Running) -> None:
    first = noted((await post(server, body(LONG))).json()["usage"])
    second = noted((await post(server, body(LONG))).json()["usage"])
    assert second.cached_tokens > 256
    assert first.cost - second.cost == second.cached_tokens * (950 - 160)
    assert spent(server) == first.cost + second.cost


async def test_keys_pay_apart(server: Running) -> None:
    await post(server, body(), key="sk-other")
    assert spent(server) == 0
    assert used(server, KeyRing().authenticate("Bearer sk-other")).requests == 1
    assert (await balance(server))["data"]["available_balance"] == 1_000_000
    assert (await balance(server, "sk-other"))["data"]["available_balance"] < 1_000_000


async def test_a_request_that_fails_before_its_first_byte_costs_nothing(tmp_path: Path) -> None:
    engine = Playing(Failed(Unavailable("gone")))
    async with running(make_platform(tmp_path, engine=engine)) as server:
        for payload in (body(), body(stream=True)):
            assert (await post(server, payload)).status_code == 503
        assert (await post(server, {**body(), "temperature": 7})).status_code == 400
        assert (await post(server, b"{")).status_code == 400
        assert server.platform.ledger.used(OWNER) == {}
        assert spent(server) == 0


HALF = (PromptRead(40, 10), ReasoningDelta("Hm", 2), ContentDelta("Half", 3), Failed(Unavailable("gone")))


async def test_a_whole_answer_that_fails_half_way_costs_nothing(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=Playing(*HALF))) as server:
        assert (await post(server, body())).status_code == 503
        assert spent(server) == 0


async def test_a_stream_that_fails_half_way_costs_what_was_generated(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=Playing(*HALF))) as server:
        answer = await stream(server, body())
        assert answer.end["finish_reason"] == "unexpected_state"
        cost = 30 * 950 + 10 * 160 + 5 * 4000
        assert used(server) == noted(answer.end["usage"]) == Used(1, 40, 10, 5, 2, cost)
        assert spent(server) == cost


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_pays_for_what_was_generated(tmp_path: Path, streamed: bool) -> None:
    engine = ScriptedEngine(pace=0.005)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        reader, writer = await begin(server, body(LONG, stream=streamed))
        if streamed:
            await reader.readuntil(b"reasoning_content")
        else:
            await engine.began.wait()
        writer.close()
        await settled(engine, 0.005)
        paid = used(server)
        assert paid.requests == 1
        assert paid.prompt_tokens > 400
        # The token of the last moment may have been generated and not yet taken from the engine.
        assert engine.generated - 2 <= paid.completion_tokens <= engine.generated < 200
        assert spent(server) == paid.cost == paid.prompt_tokens * 950 + paid.completion_tokens * 4000


class HalfAtOnce(ScriptedEngine, AtOnce):
    """An engine that is asked for whole answers, of which half has come; the rest never does."""

    def __init__(self) -> None:
        super().__init__()
        self.came, self.left = asyncio.Event(), asyncio.Event()

    async def at_once(self, request: ChatRequest, events: list[Event]) -> None:
        events += HALF[:-1]
        self.came.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


async def test_a_client_that_leaves_pays_for_what_came_of_a_whole_answer(tmp_path: Path) -> None:
    engine = HalfAtOnce()
    async with running(make_platform(tmp_path, engine=engine)) as server:
        _, writer = await begin(server, body())
        await engine.came.wait()
        writer.close()
        await engine.left.wait()
        assert used(server) == Used(1, 40, 10, 5, 2, 30 * 950 + 10 * 160 + 5 * 4000)


@pytest.mark.parametrize("streamed", [True, False])
async def test_without_a_balance_there_is_no_inference(tmp_path: Path, streamed: bool) -> None:
    """contract.md 4.2, word for word; and the other routes still answer."""
    engine = ScriptedEngine()
    async with running(make_platform(tmp_path, engine=engine, credit=1)) as server:
        assert (await post(server, body(stream=streamed))).status_code == 200
        generated = engine.generated
        status, kind, message = error_of(await post(server, body(stream=streamed)))
        assert (status, kind) == (429, "exceeded_current_quota_error")
        assert message == (
            f"Your account {account_name(OWNER)} is suspended due to insufficient balance, please recharge your "
            "account or check your plan and billing details"
        )
        assert engine.generated == generated
        assert used(server).requests == 1
        left = (await balance(server))["data"]
        assert left["available_balance"] == left["voucher_balance"] == 0
        assert left["cash_balance"] < 0
        async with client(server) as http:
            assert (await http.get("/models")).status_code == 200
            assert (await http.post("/tokenizers/estimate-token-count", json=body())).status_code == 200
        assert (await post(server, body(), key="sk-other")).status_code == 200
        server.platform.ledger.credit(OWNER, voucher=DOLLAR)
        assert (await post(server, body())).status_code == 200


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server:
        await post(server, body())
        before = await balance(server)
    async with running(make_platform(tmp_path)) as server:
        assert await balance(server) == before
        assert used(server).requests == 1


async def test_a_full_disk_costs_nobody_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(make_platform(tmp_path, store=FullDisk())) as server:
        for _ in range(3):
            assert (await post(server, body())).status_code == 200
        assert not server.platform.ledger.flush()
        assert used(server).requests == 3
    assert sum("cannot be written, and is tried again" in record.message for record in caplog.records) == 1


async def test_the_file_holds_no_key(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server:
        await post(server, body(user("a very private question")), key="sk-very-secret")
    data = (tmp_path / "ledger.db").read_bytes()
    assert b"kimi-k2.6" in data
    assert b"secret" not in data
    assert b"private" not in data


def test_a_killed_server_loses_a_moment_at_most(tmp_path: Path) -> None:
    with serving(tmp_path, "--engine", "scripted", "--credit-usd", "5") as live:
        _ask(live)
        answered = time.perf_counter()
        while not _rows(tmp_path / "ledger.db"):
            time.sleep(0.02)
        assert time.perf_counter() - answered < 2
        left = _left(live)
        live.process.send_signal(signal.SIGKILL)
        live.process.wait(10)
    assert 4.9 < left < 5
    with serving(tmp_path, "--engine", "scripted", "--credit-usd", "5") as live:
        assert _left(live) == left
    with (
        serving(tmp_path, "--engine", "scripted", "--credit-usd", "0") as live,
        pytest.raises(httpx.HTTPStatusError, match="429"),
    ):
        _ask(live)


def _rows(path: Path) -> int:
    reader = sqlite3.connect(path)
    try:
        return reader.execute("SELECT count(*) FROM usage").fetchone()[0]
    finally:
        reader.close()


def _ask(live: Live) -> None:
    httpx.post(f"{live.base_url}/chat/completions", json=body(LONG), headers=_HEADERS, timeout=30).raise_for_status()


def _left(live: Live) -> float:
    return httpx.get(f"{live.base_url}/users/me/balance", headers=_HEADERS).json()["data"]["available_balance"]


_HEADERS = {"Authorization": f"Bearer {KEY}"}
