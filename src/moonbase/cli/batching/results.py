"""What a batch has written: its answers, and its failures in a few words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import msgspec

from moonbase.cli.drafts import whole_output
from moonbase.cli.stored_files import StoredFiles
from moonbase.cli.terminal.safe import safe_json

_SHOWN = 5


async def write_lines(files: StoredFiles, file_id: str | None, target: Path | None) -> None:
    """The file of a batch to `target`, or standard output, whole or not at all; without a file, no lines."""
    with whole_output(target, safe_json) as out:
        if file_id is not None:
            await files.content(file_id, out)


async def first_failures(files: StoredFiles, file_id: str | None, target: Path | None) -> list[str]:
    """A line for each of the first failures; all of them to `target`, where there is one."""
    with TemporaryFile() as draft:
        if file_id is not None:
            await files.content(file_id, cast("BinaryIO", draft))
        draft.seek(0)
        if target is not None:
            with whole_output(target, safe_json) as out:
                out.writelines(draft)
            draft.seek(0)
        return [failure(line) for _, line in zip(range(_SHOWN), draft, strict=False)]


def failure(line: bytes) -> str:
    """A line of an error file, in a few words."""
    try:
        told = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return line[:200].decode("utf-8", "replace").strip()
    response = _member(told, "response")
    error = _member(_member(response, "body"), "error") or _member(told, "error")
    said = error.get("message") or error.get("code") or "it does not say why"
    return f"{told.get('custom_id')}: {response.get('status_code', '')} {said}".replace("  ", " ")


def _member(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
