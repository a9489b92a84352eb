"""What an operator says of an MCP server, and the names that its tools get here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

import msgspec

from moonbase.contract.errors import SettingsError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SHORTEST_SECRET = 4


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[mcp.NAME]`: a `command` that is run and spoken to over its standard input and output, or the `url` of a server
    that speaks streamable HTTP."""

    command: tuple[str, ...] = ()
    url: str | None = None
    env: dict[str, str] = {}
    """Environment variables of the command, beside the few that it gets anyway (PATH, HOME, the user's name)."""
    cwd: str | None = None
    headers: dict[str, str] = {}
    """Headers of every request to `url`."""
    start_s: float = 30.0
    """Seconds in which it must have started and listed its tools."""
    required: bool = True
    """Whether our server refuses to start without it."""
    prefix: str = ""
    """Put before the name of each of its functions."""
    only: tuple[str, ...] | None = None
    """The tools that are offered, by the names that the server gives them; all of them unless it is set."""

    def __repr__(self) -> str:
        return f"McpServer({'url' if self.url else 'command'})"  # all the rest may hold secrets

    def secrets(self) -> list[str]:
        """What must not show in a log."""
        values = [*self.env.values(), *self.headers.values()]
        return sorted({value for value in values if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)


def check_server(name: str, server: McpServer) -> None:
    """Raises `SettingsError` for a name or a combination that cannot work."""
    if not _NAME.match(name):
        raise SettingsError(
            f"mcp.{name}: an MCP server's name has letters, digits, dots, dashes and underscores, and begins with a "
            "letter or digit"
        )
    if bool(server.command) == bool(server.url):
        raise SettingsError(f"mcp.{name}: give it either a command or a url")
    if server.url and not server.url.startswith(("http://", "https://")):
        raise SettingsError(f"mcp.{name}.url must begin with http:// or https://")
    if server.url and (server.env or server.cwd):
        raise SettingsError(f"mcp.{name}: env and cwd go with a command, not with a url")
    if server.command and server.headers:
        raise SettingsError(f"mcp.{name}: headers go with a url, not with a command")
    if not server.start_s > 0:
        raise SettingsError(f"mcp.{name}.start_s must be more than 0 seconds, not {server.start_s}")


def parse_servers(flags: Iterable[str]) -> dict[str, McpServer]:
    """`--mcp NAME=COMMAND…` and `--mcp NAME=URL`; raises `SettingsError`."""
    servers: dict[str, McpServer] = {}
    for flag in flags:
        name, equals, rest = flag.partition("=")
        rest = rest.strip()
        if not equals or not name or not rest:
            raise SettingsError(f"--mcp {flag}: expected NAME=COMMAND or NAME=URL, as in files='npx some-server /srv'")
        if name in servers:
            raise SettingsError(f"--mcp names {name} twice; give each MCP server a name of its own")
        if rest.startswith(("http://", "https://")):
            servers[name] = McpServer(url=rest)
            continue
        try:
            servers[name] = McpServer(command=tuple(shlex.split(rest)))
        except ValueError as error:
            raise SettingsError(f"--mcp {name}: the command cannot be read: {error}") from None
    return servers


def uri_of(server: str, tool: str) -> str:
    """`mcp-NAME/TOOL:latest`; what a URI cannot hold becomes an underscore."""
    return f"mcp-{server}/{re.sub(r'[^A-Za-z0-9_.-]', '_', tool)}:latest"


def function_name(prefix: str, tool: str) -> str:
    """A name that models can call: what a function's name cannot hold becomes an underscore (contract.md 1.5)."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", prefix + tool)
    return name if name[:1].isalpha() or name.startswith("_") else f"_{name}"


def redacted(text: str, server: McpServer, limit: int = 500) -> str:
    """One line of `text`, without the values that the operator gave as environment or headers."""
    for secret in server.secrets():
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
