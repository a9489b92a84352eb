"""The input of a batch, from what the user has: whole requests, their bodies, or prompts alone."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple, cast

import click
import msgspec

from moonbase.cli.exits import USAGE, Failure
from moonbase.cli.terminal.safe import safe_line
from moonbase.contract.batches import ENDPOINT, MOST_ERRORS, check_batched, check_lines

Kind = Literal["requests", "bodies", "prompts"]
_BOM = b"\xef\xbb\xbf"


class Wrong(Failure):
    """The file is no input of a batch."""

    code: ClassVar[int] = USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the lines of a file are, and for bodies and prompts what they leave out."""

    kind: Kind = "requests"
    model: str
    system: str = ""


class Source(NamedTuple):
    """What the user has; `name` is what the user calls it."""

    file: BinaryIO
    name: str
    recipe: Recipe


class Input(NamedTuple):
    """Requests that can be uploaded under `name`: so many, all for `model`."""

    name: str
    file: BinaryIO
    total: int
    model: str


@contextmanager
def made(source: Source) -> Generator[Input]:
    """The lines of `source` as an input that was checked; what is wrong is told line by line on standard error. Raises
    `Wrong`."""
    with TemporaryFile() as file:  # The source is read once: what is uploaded is what was checked.
        requests = (_written(number, line, source.recipe) for number, line in _numbered(source.file))
        total, model = _checked(_copied(requests, cast("BinaryIO", file)), source.name)
        file.seek(0)
        yield Input(f"{Path(source.name).stem}.jsonl", cast("BinaryIO", file), total, model)


def _copied(lines: Iterable[bytes], file: BinaryIO) -> Iterator[bytes]:
    """Those that are not blank are written to `file`; all are passed on, so that numbers stay those of the source."""
    for line in lines:
        if line.strip():
            file.write(line)
        yield line


def _checked(lines: Iterable[bytes], name: str) -> tuple[int, str]:
    """How many requests there are, and for which model."""
    models: list[str] = []

    def check_model(model: str) -> None:
        check_batched(model)
        models.append(model)

    total, errors = check_lines(lines, check_model)
    for error in errors:
        place = name if error.line is None else f"{name}:{error.line}"
        click.echo(f"{safe_line(place)}: {safe_line(error.message)}", err=True)
    if errors:
        some = "or more " if len(errors) == MOST_ERRORS else ""
        raise Wrong(f"{name} has {counted(len(errors), 'mistake', some)}; nothing was uploaded")
    return total, models[0]


def counted(count: int, what: str, some: str = "") -> str:
    """`1 request`, `2 requests`, `50 or more requests`."""
    return f"{count:,} {some}{what}{'' if count == 1 else 's'}"


def _numbered(source: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(source, 1):
        yield number, (line.removeprefix(_BOM) if number == 1 else line).strip()


def _written(number: int, line: bytes, recipe: Recipe) -> bytes:
    body = _body(number, line, recipe) if line and recipe.kind != "requests" else None
    if body is None:
        return line + b"\n"
    request = {"custom_id": f"line-{number}", "method": "POST", "url": ENDPOINT, "body": body}
    return msgspec.json.encode(request) + b"\n"


def _body(number: int, line: bytes, recipe: Recipe) -> dict[str, Any] | None:
    """None where the line is no body: it is left as it is, for the check to name."""
    if recipe.kind == "bodies":
        try:
            given = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return given if "model" in given else {"model": recipe.model, **given}
    try:
        prompt = line.decode()
    except UnicodeDecodeError:
        raise Wrong(f"line {number} of the prompts is no UTF-8 text; nothing was uploaded") from None
    system = [{"role": "system", "content": recipe.system}] if recipe.system else []
    return {"model": recipe.model, "messages": [*system, {"role": "user", "content": prompt}]}
