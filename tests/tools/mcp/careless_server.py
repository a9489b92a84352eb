"""An MCP server written by hand and without care, over standard input and output: what it answers, no library would.

It lists what the environment's TOOLS says beside its own, and says that they changed whenever `changed` is called.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

ANSWERS: dict[str, Any] = {
    "half": {"content": [{"type": "text", "text": "caf\u00e9 \ud83d"}]},
    "nothing": {},
    "no_text": {"content": [{"type": "text", "text": None}]},
    "unstructured": {"content": [{"type": "text", "text": "42"}]},
    "pid": {"content": [{"type": "text", "text": str(os.getpid())}]},
}
NAMES = [*ANSWERS, "busy", "latin_1", "changed", "listings"]
TOOLS = json.loads(os.environ.get("TOOLS", "[]"))
listings = 0


def declared(name: str) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": name, "inputSchema": {"type": "object", "properties": {}}}
    return tool | ({"outputSchema": {"type": "object"}} if name == "unstructured" else {})


def answer(message: dict[str, Any]) -> None:
    global listings
    match message["method"]:
        case "initialize":
            version = message["params"]["protocolVersion"]
            capabilities: dict[str, Any] = {"tools": {}}
            tell(message, {"protocolVersion": version, "capabilities": capabilities, "serverInfo": INFO})
        case "tools/list":
            listings += 1
            tell(message, {"tools": [*map(declared, NAMES), *TOOLS]})
        case "tools/call":
            call(message, message["params"]["name"])
        case _:
            pass


def call(message: dict[str, Any], name: str) -> None:
    if name == "busy":
        time.sleep(0.2)
        write({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "all seats are taken"}})
    elif name == "latin_1":
        result = {"content": [{"type": "text", "text": "caf\u00e9"}]}
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False)
        sys.stdout.buffer.write(text.encode("latin-1") + b"\n")
        sys.stdout.buffer.flush()
    elif name == "changed":
        write({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        tell(message, said("it was said"))
    elif name in ANSWERS:
        tell(message, ANSWERS[name])
    else:
        tell(message, said(str(listings)))


def said(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def tell(message: dict[str, Any], result: dict[str, Any]) -> None:
    write({"jsonrpc": "2.0", "id": message["id"], "result": result})


def write(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


INFO = {"name": "careless", "version": "1"}

if __name__ == "__main__":
    for line in sys.stdin:
        answer(json.loads(line))
