"""The configuration, keys, the port, and the server that commands talk to."""

from __future__ import annotations

import errno
import ipaddress
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import httpx

from moonbase.accounts.keys import read_key_file
from moonbase.cli.asking import Server
from moonbase.cli.doctoring.check import Check, Finding, Scene, blocking, fail, ok, warn
from moonbase.cli.exits import Unusable, ending
from moonbase.contract.errors import ApiError
from moonbase.server.pages import check_origins
from moonbase.server.settings import check_binding, with_default_engine
from moonbase.tools.loading import load_formulas
from moonbase.tools.mcp.server import check_server

KEYS = ("MOONSHOT_API_KEY", "MOONBASE_API_KEYS", "MOONBASE_UPSTREAM_KEY", "HF_TOKEN")


def _configuration(scene: Scene) -> Finding:
    if scene.trouble:
        return fail(scene.trouble, "correct the file; docs/server.md has every setting")
    settings = with_default_engine(scene.settings)
    server = settings.server
    keys = [*server.api_keys, *(read_key_file(Path(server.key_file)) if server.key_file else ())]
    check_binding(server.host, has_keys=bool(keys))
    check_origins(server.allow_origins)
    said = f"{scene.config or 'no file, all defaults'}; engines: {', '.join(settings.engines)}"
    return ok(f"{said}; API keys: {len(keys)}" if keys else f"{said}; without API keys, for this machine only")


def _tools(scene: Scene) -> Finding:
    """The operator's own modules load, and the programs of MCP servers are there."""
    settings = scene.settings
    own = load_formulas(settings.tools.modules, entry_points=settings.tools.entry_points)
    for name, server in settings.mcp.items():
        check_server(name, server)
        program = server.command[0] if server.command else None
        if program and shutil.which(program, path=server.env.get("PATH")) is None:
            return fail(f"mcp.{name}: there is no program {program}", "install it, or correct the command")
    if not (own or settings.mcp):
        return ok("the official ones; none of your own")
    return ok(f"the official ones, {len(own)} of your own, MCP servers: {', '.join(settings.mcp) or 'none'}")


def _keys(scene: Scene) -> Finding:
    return keys(scene.environ)


def keys(environ: Mapping[str, str]) -> Finding:
    """Whether the variables that hold keys are set, and as one would mean them."""
    odd = [name for name in KEYS if (value := environ.get(name)) and value != value.strip(" \t\r\n\"'")]
    if odd:
        return warn(f"{odd[0]} has blanks or quotes around its value", f"set {odd[0]} again, without them")
    held = [name for name in KEYS if environ.get(name)]
    empty = [name for name in KEYS if name in environ and not environ[name]]
    said = f"set: {', '.join(held) or 'none'}"
    return ok(f"{said}; empty: {', '.join(empty)}" if empty else said)


async def _server(scene: Scene) -> Finding:
    """The server that commands talk to answers and takes the key."""
    if scene.where is None:
        return warn(scene.astray, "set MOONSHOT_BASE_URL and MOONSHOT_API_KEY") if scene.chosen else ok(scene.astray)
    url = scene.where.base_url
    try:
        async with Server(scene.where, timeout=8.0) as server:
            listed = await server.get("/models")
    except Unusable as error:
        if scene.chosen:
            return fail(str(error), "check MOONSHOT_BASE_URL")
        return ok(f"none runs at {url}; `moonbase serve` starts one")
    except ApiError as error:
        end = ending(error)
        return fail(f"{url}: {end.line if end else error}", "")
    rows: Any = listed.get("data") if isinstance(listed, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(rows, list):
        return fail(f"{url} has no list of models", "is this the address of the API, with /v1?")
    return ok(f"{url} answers, takes the key, and has {len(cast('list[Any]', rows))} models")


async def _port(scene: Scene) -> Finding:
    server = scene.settings.server
    return await port(server.host, server.port)


async def port(host: str, number: int) -> Finding:
    """Whether `moonbase serve` can listen there."""
    if not number:
        return ok("0: a free one is taken")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return fail(f"{host}:{number} cannot be listened on: {error.strerror}", "choose another --host or --port")
        holder = holder_of(number)
        by = f" by {holder}" if holder else ""
        if await is_moonbase(host, number):
            return ok(f"{host}:{number} is held{by}: a Moonbase server is running")
        return warn(f"{host}:{number} is held{by}", "stop that, or choose another with --port")
    return ok(f"{host}:{number} is free")


async def is_moonbase(host: str, number: int) -> bool:
    try:
        async with httpx.AsyncClient(timeout=3.0, trust_env=False) as http:
            answer = await http.get(f"http://{reached(host)}:{number}/openapi.json")
            return answer.json()["info"]["title"] == "Moonbase"
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return False


def reached(host: str) -> str:
    """Where a server is asked that listens on `host`, as a URL has it: this machine, where that is all addresses."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{address}]" if address.version == 6 else host


def holder_of(number: int) -> str | None:
    """Who listens on a TCP port, as "NAME (process 12)"; None where the system does not tell (Linux does)."""
    wanted = _listening(number)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in (process / "fd").iterdir():
                if str(handle.readlink()) in wanted:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue
    return None


def _listening(number: int) -> set[str]:
    """The sockets that listen on a port, as they are called among a process's files."""
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        found |= {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == number}
    return found


CHECKS = (
    Check("configuration", blocking(_configuration)),
    Check("tools", blocking(_tools)),
    Check("keys", blocking(_keys)),
    Check("port", _port),
    Check("server", _server),
)
