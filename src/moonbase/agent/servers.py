"""MCP servers as an agent is told of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from moonbase.tools.mcp.server import McpServer, check_server


class MCPServer:
    """An MCP server whose tools the agent may call: a program that is started and spoken to over its standard input and
    output, or the address of one that speaks streamable HTTP. Needs `pip install 'moonbase[mcp]'`.

    `name` is part of its tools' URIs. `command` is a list, or text that is split as a shell would; `env` and `cwd` are
    the program's. `headers` go with every request to `url`. `prefix` stands before the name of each of its functions;
    `only` names the tools that are offered. It must have started and listed its tools within `start_s` seconds, or a
    run fails with a `SettingsError`; with `required=False` the agent does without it, until it comes. Raises
    `SettingsError` for what does not go together.
    """

    def __init__(
        self,
        name: str,
        command: str | Sequence[str] = (),
        *,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "",
        only: Iterable[str] | None = None,
        start_s: float = 30.0,
        required: bool = True,
    ) -> None:
        self.name = name
        self.settings = McpServer(
            command=tuple(shlex.split(command) if isinstance(command, str) else command),
            url=url,
            env=dict(env or {}),
            cwd=cwd,
            headers=dict(headers or {}),
            start_s=start_s,
            required=required,
            prefix=prefix,
            only=None if only is None else tuple(only),
        )
        check_server(name, self.settings)

    def __repr__(self) -> str:
        return f"MCPServer({self.name!r})"  # all the rest may hold secrets
