"""Moonbase in your tests: the real server in the test's own process, over answers that it writes (docs/testing.md).

    import openai
    from moonbase.testing import Server

    with Server() as server:
        server.reply("Hello.", reasoning="They greet me.")
        client = openai.Client(base_url=server.base_url, api_key=server.api_key)

Everything named here is loaded when it is first used, because pytest loads this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moonbase.testing.requests import Request as Request
    from moonbase.testing.server import ScriptError as ScriptError
    from moonbase.testing.server import Server as Server

_HOME = {"Request": "requests", "ScriptError": "server", "Server": "server"}

__all__ = ["Request", "ScriptError", "Server"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOME[name]}")
    except ModuleNotFoundError as error:
        said = f"moonbase.testing needs the package {error.name}, which is not installed: pip install 'moonbase[serve]'"
        raise ModuleNotFoundError(said, name=error.name) from None
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
