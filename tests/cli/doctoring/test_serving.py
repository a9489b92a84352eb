"""What the doctor says of keys, the port and the server."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from moonbase.cli.doctoring.check import Scene
from moonbase.cli.doctoring.examine import Result, examine
from moonbase.cli.doctoring.serving import CHECKS, holder_of, keys, port, reached
from moonbase.cli.doctoring.upstreams import checks_of, network
from moonbase.cli.doctoring.visit import as_served
from moonbase.cli.where import Where
from moonbase.server.settings import EngineSettings, ServerSettings, Settings, ToolsSettings
from moonbase.tools.mcp.server import McpServer
from tests.postgres import PASSWORD
from tests.running import KEY, Running, make_platform, running

SECRET = "sk-very-secret"


def test_keys_are_never_shown() -> None:
    found = keys({"MOONSHOT_API_KEY": SECRET, "HF_TOKEN": "", "MOONBASE_UPSTREAM_KEY": SECRET})
    assert found.detail == "set: MOONSHOT_API_KEY, MOONBASE_UPSTREAM_KEY; empty: HF_TOKEN"
    odd = keys({"MOONSHOT_API_KEY": f"'{SECRET}'"})
    assert odd.outcome == "warn"
    assert SECRET not in odd.detail + odd.todo


def test_what_serve_takes_from_the_environment_is_looked_at() -> None:
    file = Settings(server=ServerSettings(host="10.0.0.5", api_keys=("sk-file",)))
    assert as_served(file, {"MOONBASE_HOST": "", "MOONBASE_API_KEYS": ""}) == file
    seen = as_served(file, {"MOONBASE_HOST": "::", "MOONBASE_API_KEYS": f"{SECRET} {KEY}"}).server
    assert (seen.host, seen.api_keys) == ("::", (SECRET, KEY))


async def test_a_free_port_and_one_that_somebody_holds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        found = await port("127.0.0.1", number)
        assert found.outcome == "warn"
        if sys.platform == "linux":
            assert f"process {os.getpid()}" in found.detail
    assert (await port("127.0.0.1", number)).outcome == "ok"
    assert holder_of(number) is None
    assert (await port("203.0.113.1", 8000)).outcome == "fail"


async def test_a_port_that_moonbase_holds(server: Running) -> None:
    found = await port("127.0.0.1", int(server.url.rpartition(":")[2]))
    assert found.outcome == "ok"
    assert found.detail.endswith("a Moonbase server is running")


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("me.local", "me.local")],  # noqa: S104
)
def test_where_a_server_is_asked(host: str, shown: str) -> None:
    assert reached(host) == shown


async def looked_at(scene: Scene) -> dict[str, Result]:
    return {result.name: result async for result in examine(scene, [*CHECKS, *checks_of(scene)])}


def scene(tmp_path: Path, settings: Settings | None = None, where: Where | None = None) -> Scene:
    free = settings or Settings(server=ServerSettings(port=0))
    return Scene(settings=free, data_dir=tmp_path, environ={}, where=where, chosen=where is not None)


async def test_a_server_that_takes_the_key_and_one_that_does_not(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        good = (await looked_at(scene(tmp_path, where=Where(up.base_url, KEY))))["server"]
        bad = (await looked_at(scene(tmp_path, where=Where(up.base_url, SECRET))))["server"]
    assert (good.outcome, "takes the key" in good.detail) == ("ok", True)
    assert (bad.outcome, "does not accept the API key" in bad.detail) == ("fail", True)
    assert SECRET not in bad.detail + bad.todo


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    found = (await looked_at(scene(tmp_path, where=Where("http://127.0.0.1:1/v1", "k"))))["server"]
    assert (found.outcome, "no server answers at http://127.0.0.1:1/v1" in found.detail) == ("fail", True)


async def test_a_configuration_that_cannot_work(tmp_path: Path) -> None:
    settings = Settings(
        server=ServerSettings(host="0.0.0.0", port=0),  # noqa: S104
        tools=ToolsSettings(modules=("no.such.module",)),
    )
    found = await looked_at(scene(tmp_path, settings))
    assert "without an API key" in found["configuration"].detail
    assert "no.such.module" in found["tools"].detail
    assert {found[name].outcome for name in ("configuration", "tools")} == {"fail"}


async def test_an_mcp_server_whose_program_is_missing(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(port=0), mcp={"files": McpServer(command=("no-such-program",))})
    found = (await looked_at(scene(tmp_path, settings)))["tools"]
    assert found.detail == "mcp.files: there is no program no-such-program"


async def test_upstreams_are_asked_for_their_models(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        engines = {
            "good": EngineSettings(kind="http", url=up.base_url, key=KEY, model="kimi-k2.6"),
            "other": EngineSettings(kind="http", url=up.base_url, key=KEY, model="llama-9"),
            "wrong": EngineSettings(kind="http", url=up.base_url, key=SECRET),
            "gone": EngineSettings(kind="http", url="http://127.0.0.1:1"),
            "unset": EngineSettings(kind="http", url=up.base_url, key_env="NO_SUCH_KEY_VARIABLE"),
        }
        found = await looked_at(scene(tmp_path, Settings(server=ServerSettings(port=0), engines=engines)))
    said = {name: found[f"upstream {name} 1"] for name in engines}
    assert [each.outcome for each in said.values()] == ["ok", "fail", "fail", "fail", "fail"]
    assert "has no model llama-9" in said["other"].detail
    assert "401" in said["wrong"].detail
    assert "NO_SUCH_KEY_VARIABLE" in said["unset"].detail
    assert all(SECRET not in each.detail + each.todo for each in said.values())


async def test_the_database_that_servers_share(tmp_path: Path, database_url: str) -> None:
    found = await looked_at(scene(tmp_path, shared(database_url)))
    assert found["shared database"].outcome == "ok"
    assert "answers: PostgreSQL" in found["shared database"].detail
    assert PASSWORD not in found["shared database"].detail


async def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    found = await looked_at(scene(tmp_path, shared(f"postgresql://me:{SECRET}@127.0.0.1:1/x")))
    assert found["shared database"].outcome == "fail"
    assert "postgresql://me:***@127.0.0.1:1/x cannot be used" in found["shared database"].detail
    assert all(SECRET not in each.detail + each.todo for each in found.values())
    wrong = await looked_at(scene(tmp_path, shared("ledger.db")))
    assert "--database-url must be postgresql://" in wrong["shared database"].detail


def shared(url: str) -> Settings:
    return Settings(server=ServerSettings(port=0, database_url=url))


def test_a_clock_that_is_wrong_shows_at_a_host_of_the_internet() -> None:
    now, said = 1_800_000_000.0, "Fri, 15 Jan 2027 08:00:00 GMT"
    assert network("hub", said, now).outcome == "ok"
    assert "300 s ahead of it" in network("hub", said, now + 300).detail
    assert "300 s behind it" in network("hub", said, now - 300).detail
    assert network("hub", "", now).outcome == "ok"
