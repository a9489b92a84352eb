"""The formulas that a server offers: checked when the server starts, looked up by URI when a call comes.

The official formulas register here exactly as a user's own do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from moonbase.contract.errors import InvalidRequest, NotFound, SettingsError
from moonbase.contract.tools import Function, Tool, check_tools
from moonbase.tools.formula import FormulaList, ToolList, formula_row, tool_list
from moonbase.tools.tool import Formula

_URI = re.compile(r"[A-Za-z0-9][\w.-]*/\w[\w.-]*:[\w.-]+\Z", re.ASCII)


class Collision(SettingsError):
    """Two formulas want the same URI or the same function name."""


class Toolset:
    """Formulas by URI. Raises `SettingsError` for a malformed, misnamed, duplicated or badly described one."""

    def __init__(self, formulas: Iterable[Formula] = ()) -> None:
        self._formulas: dict[str, Formula] = {}
        self._aliases: dict[str, Formula] = {}
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}
        self._owners: dict[str, str] = {}
        for formula in formulas:
            self.add(formula)

    def add(self, formula: Formula) -> None:
        """Offer `formula` too, whole or not at all. Raises `SettingsError`, a `Collision` where its names are taken."""
        for uri in (formula.uri, *formula.aliases):
            self._check_uri(uri)
        if not formula.functions:
            raise SettingsError(f"formula {formula.uri} declares no function; it needs at least one")
        validators: dict[tuple[str, str], Draft202012Validator] = {}
        owners: dict[str, str] = {}
        if len(formula.called()) < len(formula.functions):
            raise Collision(f"formula {formula.uri} declares a function twice; rename or leave out one of the two")
        for name, function in formula.called().items():
            # A client maps each function name back to its formula, so a name may belong to one formula only.
            owner = self._owners.get(name)
            if owner is not None:
                raise Collision(
                    f"function {name!r} is declared by {owner} and again by {formula.uri}; "
                    "rename or leave out one of the two"
                )
            owners[name] = formula.uri
            validators[formula.uri, name] = _validator(formula.uri, function)
        self._owners |= owners
        self._validators |= validators
        self._formulas[formula.uri] = formula
        self._aliases |= dict.fromkeys(formula.aliases, formula)

    def _check_uri(self, uri: str) -> None:
        if not _URI.match(uri):
            raise SettingsError(
                f"formula URI {uri!r} is malformed; expected namespace/name:version, for example acme/weather:latest"
            )
        if uri in self._formulas or uri in self._aliases:
            raise Collision(f"formula URI {uri} is registered twice; leave out or rename one of the two")

    def remove(self, uris: Iterable[str]) -> None:
        """Offer these no more; runs that are under way go on."""
        for uri in uris:
            formula = self._formulas.pop(uri)
            for alias in formula.aliases:
                del self._aliases[alias]
            for name in formula.called():
                del self._owners[name], self._validators[uri, name]

    def __iter__(self) -> Iterator[Formula]:
        return iter(list(self._formulas.values()))  # the tools of an MCP server may change meanwhile

    def __len__(self) -> int:
        return len(self._formulas)

    def formula(self, uri: str) -> Formula:
        """Raises `NotFound` in the hosted API's words (contract.md 4.3)."""
        formula = self._formulas.get(uri) or self._aliases.get(uri)
        if formula is None:
            raise NotFound("formula not found")
        return formula

    def rows(self) -> FormulaList:
        """The body of `GET /v1/formulas`."""
        return FormulaList(data=[formula_row(formula) for formula in self])

    def definitions(self, uri: str) -> ToolList:
        """The body of `GET /v1/formulas/{uri}/tools`. Raises `NotFound`."""
        return tool_list(self.formula(uri))

    def given(self, uri: str, name: str, arguments: Any) -> Any:
        """`arguments` without the optional ones that a small model filled with "" or null where the schema has no room
        for that: both mean "not given"."""
        if not isinstance(arguments, dict):
            return arguments
        members = cast("dict[str, Any]", arguments)
        blank = {key: value for key, value in members.items() if value is None or value == ""}
        if not blank:
            return members
        validator = self._validators[uri, name]
        errors = validator.iter_errors(blank)  # pyright: ignore[reportUnknownMemberType]
        refused = {error.absolute_path[0] for error in errors if error.absolute_path}
        required = cast("dict[str, Any]", validator.schema).get("required", ())
        return {key: value for key, value in members.items() if key not in refused or key in required}

    def complaint(self, uri: str, name: str, arguments: Any) -> str | None:
        """What is wrong with `arguments` for the function `name`, with the path of the value; None when nothing is."""
        # The first error only: a long list may hold a hundred thousand of them.
        errors = self._validators[uri, name].iter_errors(arguments)  # pyright: ignore[reportUnknownMemberType]
        error = next(errors, None)
        if error is None:
            return None
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        return f"arguments{path}: {_brief(error.message)}"


def _validator(uri: str, function: Function) -> Draft202012Validator:
    schema = function.parameters or {"type": "object"}
    where = f"formula {uri}, function {function.name!r}"
    try:
        Draft202012Validator.check_schema(schema)
        _check_references(schema)
        if schema.get("type") != "object":
            raise SettingsError(f"{where}: parameters.type is {schema.get('type')!r}; expected 'object'")
        check_tools([Tool(function=function)])
    except InvalidRequest as error:
        raise SettingsError(f"{where}: {error.message.removeprefix('Invalid request: ')}") from None
    except SchemaError as error:
        raise SettingsError(f"{where}: parameters is not a JSON schema: {_brief(error.message)}") from None
    except Unresolvable as error:
        raise SettingsError(f"{where}: parameters refers to {error.ref!r}, which is not inside it") from None
    # The empty registry keeps a `$ref` in a schema from being fetched over the network.
    return Draft202012Validator(schema, registry=Registry())


def _check_references(schema: dict[str, Any]) -> None:
    """Raises `Unresolvable` for a `$ref` to something outside the schema, or to nothing."""
    registry: Registry[Any] = Registry()
    resolver = registry.with_resource("", DRAFT202012.create_resource(schema)).resolver()
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            entries = cast("dict[str, Any]", node)
            if isinstance(reference := entries.get("$ref"), str):
                resolver.lookup(reference)
            waiting += entries.values()
        elif isinstance(node, list):
            waiting += cast("list[Any]", node)


def _brief(message: str, limit: int = 300) -> str:
    """jsonschema quotes the whole value at fault; a huge one must not come back in the message."""
    return message if len(message) <= limit else f"{message[: limit // 2]} ... {message[-limit // 2 :]}"
