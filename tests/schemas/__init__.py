"""Schemas to try everything on that reads one: what SDKs generate, what MCP servers declare, and each keyword in turn.

`servers.json`: the parameters of every tool of 25 published MCP servers, as `tools/list` gives them, without their
prose. `keywords.json`: each keyword of MFJS (contract.md 7.4) by itself, together with others, and recursive.
`tests/contract/schemas/`: what SDKs write.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.mfjs import check_parameters, check_response_schema

HERE = Path(__file__).parent
SDKS = HERE.parent / "contract" / "schemas"


class Collected(NamedTuple):
    name: str
    schema: dict[str, Any]

    @property
    def is_object(self) -> bool:
        """Whether it can be the parameters of a function."""
        try:
            check_parameters(self.schema)
        except InvalidRequest:
            return False
        return True


@lru_cache(maxsize=1)
def collected() -> tuple[Collected, ...]:
    """Every schema that is accepted at the default level, in a fixed order; more than 300 of them."""
    files = [HERE / "keywords.json", HERE / "servers.json", *sorted(SDKS.glob("*.json"))]
    rows = [Collected(f"{file.stem}: {row['name']}", row["schema"]) for file in files for row in _read(file)]
    distinct = {json.dumps(row.schema, sort_keys=True): row for row in reversed(rows) if _accepted(row.schema)}
    return tuple(reversed(distinct.values()))


def _read(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def _accepted(schema: dict[str, Any]) -> bool:
    try:
        check_response_schema(schema)
    except InvalidRequest:
        return False
    return True
