"""Web pages that use the server: which may, and what their browsers are told."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from moonbase.contract.errors import PermissionDenied, SettingsError
from moonbase.server.pages import Pages, check_origins
from tests.running import Running, make_platform, running
from tests.server.client import body, client, error_of, user

CHAT = "/chat/completions"
PAGE = "https://app.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


def allowed(answer: httpx.Response) -> str | None:
    return answer.headers.get("access-control-allow-origin")


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:5173", "http://127.0.0.1:8000", "https://[::1]", "http://tauri.localhost", "app://notes"],
)
async def test_a_page_of_this_machine_may(server: Running, origin: str) -> None:
    async with client(server, "any") as http:
        before = await http.options(CHAT, headers=ASKS | {"Origin": origin})
        answer = await http.post(CHAT, json=body(user("Say hello")), headers={"Origin": origin})
        listed = await http.get("/models", headers={"Origin": origin})
        failed = await http.post(CHAT, json={"model": "none", "messages": []}, headers={"Origin": origin})
    assert before.status_code == 200
    assert before.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in before.headers["access-control-allow-methods"]
    assert [answer.status_code, listed.status_code, failed.status_code] == [200, 200, 404]
    for each in (before, answer, listed, failed):
        assert allowed(each) == origin
        assert "Origin" in each.headers["vary"]


async def test_a_stream_tells_the_browser_too(server: Running) -> None:
    async with client(server, "any") as http:
        answer = await http.post(CHAT, json=body(user("Hi"), stream=True), headers={"Origin": "http://localhost:3000"})
    assert allowed(answer) == "http://localhost:3000"
    assert answer.headers["access-control-expose-headers"] == "*"
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("origin", [PAGE, "http://localhost.evil.example", "null", "http://[", "file://", ""])
async def test_another_may_not_where_any_key_will_do(server: Running, origin: str) -> None:
    async with client(server, "any") as http:
        before = await http.options(CHAT, headers=ASKS | {"Origin": origin})
        for answer in (before, await http.post(CHAT, json=body(), headers={"Origin": origin})):
            status, kind, message = error_of(answer)
            assert (status, kind) == (403, "permission_denied_error")
            assert "--allow-origin" in message
            assert allowed(answer) is None


async def test_with_keys_another_is_answered_and_its_browser_told_nothing(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=("sk-one",))) as server, client(server, "sk-one") as http:
        answer = await http.post(CHAT, json=body(), headers={"Origin": PAGE, "Host": "api.example"})
        before = await http.options(CHAT, headers=ASKS | {"Origin": PAGE})
    assert (answer.status_code, allowed(answer)) == (200, None)
    assert (before.status_code, allowed(before)) == (403, None)


async def test_what_the_operator_allows(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, keys=("sk-one",), allow_origins=(PAGE,))
    async with running(platform) as server, client(server, "wrong") as http:
        before = await http.options("/files/some-file", headers=ASKS | {"Origin": PAGE})
        refused = await http.post(CHAT, json=body(), headers={"Origin": PAGE})
    assert (before.status_code, allowed(before)) == (200, PAGE)
    assert (refused.status_code, allowed(refused)) == (401, PAGE), "its page can read what was wrong"


async def test_a_browser_that_asks_for_a_private_network(server: Running) -> None:
    asks = ASKS | {"Origin": "http://localhost:3000", "Access-Control-Request-Private-Network": "true"}
    async with client(server, None) as http:
        answer = await http.options(CHAT, headers=asks)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("workstation", 200),
        ("host.docker.internal:8000", 200),
        ("evil.example:8000", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
async def test_a_name_of_others_that_leads_here(server: Running, host: str, status: int) -> None:
    async with client(server, "any") as http:
        answers = [await http.get("/models", headers={"Host": host}) for _ in range(2)]
        answers.append(await http.post(CHAT, json=body(), headers={"Host": host}))
    assert [answer.status_code for answer in answers] == [status] * 3


def test_names_and_pages_that_are_allowed_where_any_key_will_do() -> None:
    pages = Pages(("https://app.example", "http://box.example:8000"), open_to_all=True)
    assert pages.headers_for(None, "box.example:8000") == []
    assert pages.headers_for("https://app.example", "box.example")[0][1] == b"https://app.example"
    with pytest.raises(PermissionDenied):
        pages.headers_for("http://app.example", "box.example")
    assert Pages(("*",), open_to_all=True).headers_for(None, "any.example") == []
    assert Pages(("*",), open_to_all=True).headers_for("null", "any.example")[0][1] == b"null"


@pytest.mark.parametrize(
    "wrong", ["app.example", "https://app.example/", "https://App.example", "null", "", "https://"]
)
def test_what_is_no_origin(wrong: str) -> None:
    with pytest.raises(SettingsError, match="is no origin"):
        check_origins(("*", "https://app.example", wrong))
