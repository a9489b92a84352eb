"""Keys (contract.md 0.1, 4.2), and what the log may say."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from moonbase.accounts.keys import KeyRing, read_key_file
from moonbase.contract.errors import SettingsError
from moonbase.server.settings import check_binding
from tests.running import Running, make_platform, running
from tests.server.client import body, client, error_of, post, user

PATHS = ["/models", "/formulas/moonshot/date:latest/tools"]


async def test_without_a_key(server: Running) -> None:
    status, kind, _ = error_of(await post(server, body(), key=None))
    assert (status, kind) == (401, "incorrect_api_key_error")
    async with client(server, None) as http:
        for path in PATHS:
            assert error_of(await http.get(path))[0] == 401


async def test_with_no_key_configured_any_key_will_do(server: Running) -> None:
    assert (await post(server, body(), key="anything")).status_code == 200


async def test_with_keys_configured(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=("sk-one", "sk-two"))) as server:
        assert (await post(server, body(), key="sk-one")).status_code == 200
        assert (await post(server, body(), key="sk-two")).status_code == 200
        status, kind, message = error_of(await post(server, body(), key="sk-three"))
        assert (status, kind, message) == (401, "invalid_authentication_error", "Invalid Authentication")
        async with client(server, "wrong") as http:
            assert error_of(await http.get("/models"))[0] == 401


async def test_the_key_is_checked_before_the_body(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=("sk-one",))) as server:
        assert error_of(await post(server, b"{", key="wrong"))[0] == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer   ", "Basic abc", "sk-one"])
def test_headers_without_a_bearer_key(header: str) -> None:
    with pytest.raises(Exception, match="Incorrect API key"):
        KeyRing(["sk-one"]).authenticate(header)


def test_a_key_that_is_not_ascii_is_only_wrong() -> None:
    with pytest.raises(Exception, match="Invalid Authentication"):
        KeyRing(["sk-one"]).authenticate("Bearer sk-öne\udc80")


def test_the_callers_id_is_stable_and_says_nothing_of_the_key() -> None:
    ring = KeyRing()
    assert ring.authenticate("Bearer sk-one") == ring.authenticate("bearer  sk-one ")
    assert ring.authenticate("Bearer sk-one") != ring.authenticate("Bearer sk-two")
    assert "sk-one" not in ring.authenticate("Bearer sk-one")


def test_key_files(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\nsk-one\n\n  sk-two  \n")
    assert read_key_file(file) == ["sk-one", "sk-two"]
    file.write_bytes(b"\xef\xbb\xbfsk-one\r\nsk-two\r\n")  # as Notepad saves it
    assert read_key_file(file) == ["sk-one", "sk-two"]
    file.write_text("# none\n")
    with pytest.raises(SettingsError, match="no key in it"):
        read_key_file(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_key_file(tmp_path / "missing")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])  # noqa: S104
def test_another_address_needs_a_key(host: str) -> None:
    with pytest.raises(SettingsError, match="without an API key"):
        check_binding(host, has_keys=False)
    check_binding(host, has_keys=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    check_binding(host, has_keys=False)


async def test_the_log_is_one_line_without_content_or_keys(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="moonbase"):
        answer = await post(server, body(user("a very private question")), key="sk-very-secret")
    lines = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert len(lines) == 1
    assert "POST /v1/chat/completions 200" in lines[0]
    assert f"completion={answer.json()['usage']['completion_tokens']}" in lines[0]
    assert answer.headers["x-trace-id"] in lines[0]
    assert not [record for record in caplog.records if "private" in record.getMessage()]
    assert not [record for record in caplog.records if "secret" in record.getMessage()]


async def test_a_path_cannot_forge_a_log_line(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="moonbase"):
        async with client(server) as http:
            await http.get("/x%0a2026-01-01 POST /v1/forged 200")
    assert all("\n" not in record.getMessage() for record in caplog.records)
