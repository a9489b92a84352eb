"""`POST /v1/tokenizers/estimate-token-count` (contract.md 5.2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moonbase.contract.mfjs import Level
from tests.running import make_platform, running
from tests.server.client import Json, body, client, user

ODD: Json = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "odd"}}}},
}


@pytest.mark.parametrize(("level", "status"), [("strict", 400), ("loose", 200)])
async def test_schemas_are_checked_at_the_level_of_the_server(tmp_path: Path, level: Level, status: int) -> None:
    """As a chat request with the same tools is (contract.md 7.4)."""
    request = body(user("hi"), tools=[ODD])
    async with running(replace(make_platform(tmp_path), schema_level=level)) as server, client(server) as http:
        for path in ("/tokenizers/estimate-token-count", "/chat/completions"):
            assert (await http.post(path, json=request)).status_code == status
