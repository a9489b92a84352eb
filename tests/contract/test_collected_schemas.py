"""The collected schemas against MFJS and against the smallest value that each allows (contract.md 7.4)."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, validate

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.mfjs import check_parameters
from moonbase.contract.schema import minimal_value
from tests.schemas import HERE, Collected, collected


def test_there_are_many_and_each_once() -> None:
    schemas = collected()
    assert len(schemas) >= 300
    assert sum(row.is_object for row in schemas) >= 300
    assert len({json.dumps(row.schema, sort_keys=True) for row in schemas}) == len(schemas)


def test_what_published_servers_declare_is_accepted() -> None:
    """All but one, whose reference points beside `$defs`, where MFJS has none."""
    refused: list[str] = []
    for row in json.loads((HERE / "servers.json").read_text(encoding="utf-8")):
        try:
            check_parameters(row["schema"])
        except InvalidRequest as error:
            refused.append(error.message.rpartition("details: ")[2])
    assert refused == ["<At path 'properties.isRevision.$ref': references must start with #/$defs/>"]


@pytest.mark.parametrize(
    "row", [row for row in collected() if row.name.startswith("keywords")], ids=lambda row: row.name
)
def test_the_smallest_value_is_valid(row: Collected) -> None:
    value = minimal_value(row.schema)
    validate(value, row.schema, cls=Draft202012Validator)
