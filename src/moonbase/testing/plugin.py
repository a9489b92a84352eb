"""The pytest plugin: fixtures of a server for each test (docs/testing.md).

pytest loads this in every run of an environment that has Moonbase: it loads nothing of ours until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moonbase.testing import Server


@pytest.fixture
def moonbase_options() -> dict[str, Any]:
    """What `moonbase_server` is made with: the arguments of `moonbase.testing.Server`. Define a fixture of this name to
    change them."""
    return {}


@pytest.fixture(scope="session")
def _moonbase_servers() -> Generator[dict[str, Server]]:  # pyright: ignore[reportUnusedFunction]
    """Those that have been started, by their options: starting one takes longer than most tests."""
    servers: dict[str, Server] = {}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def moonbase_server(moonbase_options: dict[str, Any], _moonbase_servers: dict[str, Server]) -> Generator[Server]:
    """A `moonbase.testing.Server` that knows of nothing that happened before this test."""
    from moonbase.testing import Server

    server = _moonbase_servers.get(repr(moonbase_options))
    if server is None or not server.serving:
        server = _moonbase_servers[repr(moonbase_options)] = Server(**moonbase_options)
        server.start()
    server.reset()
    yield server
    server.check()


@pytest.fixture
def moonbase_environment(moonbase_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same, with OPENAI_BASE_URL, OPENAI_API_KEY and their like set to it while the test runs."""
    for name, value in moonbase_server.environment.items():
        monkeypatch.setenv(name, value)
    return moonbase_server
