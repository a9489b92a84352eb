"""`moonbase files`: what a server keeps for a key (contract.md 5.4)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from tests.cli.running_commands import typed
from tests.running import KEY, Running, make_platform, running


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncGenerator[Running]:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        yield up


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "report.txt").write_text("The harvest was good.\n月\x1b[2J\n")
    (work / "empty.txt").touch()
    monkeypatch.chdir(work)
    return work


def at(up: Running) -> Sequence[str]:
    return ("--base-url", up.url, "--key", KEY)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_from_upload_to_deletion(keyed: Running, folder: Path) -> None:
    assert (await typed("files", "list", *at(keyed))).stdout == "no files yet\n"
    done = await typed("files", "upload", "report.txt", *at(keyed))
    assert (done.exit_code, done.stdout[:5]) == (0, "file_")
    file_id = done.stdout.strip()
    text = await typed("files", "content", file_id, *at(keyed))
    assert text.stdout_bytes.decode() == (folder / "report.txt").read_text()
    assert (await typed("files", "content", "last", "-o", "copy.txt", *at(keyed))).stdout == ""
    assert (folder / "copy.txt").read_text() == (folder / "report.txt").read_text()
    listed = (await typed("files", "list", *at(keyed))).stdout.splitlines()
    assert listed[2].split()[0] == file_id
    assert listed[2].split()[3:] == ["file-extract", "30", "B", "report.txt"]
    shown = (await typed("files", "show", "last", *at(keyed))).stdout
    assert "status   ready\n" in shown
    deleted = await typed("files", "delete", file_id, "--json", *at(keyed))
    assert json.loads(deleted.stdout) == [{"id": file_id, "object": "file", "deleted": True}]
    assert json.loads((await typed("files", "list", "--json", *at(keyed))).stdout) == []


async def test_files_are_listed_by_their_purpose(keyed: Running) -> None:
    for purpose in ("batch", "file-extract"):
        assert (await typed("files", "upload", "report.txt", "--purpose", purpose, *at(keyed))).exit_code == 0
    (row,) = json.loads((await typed("files", "list", "--purpose", "batch", "--json", *at(keyed))).stdout)
    assert json.loads((await typed("files", "show", row["id"], "--json", *at(keyed))).stdout) == row


async def test_one_that_fails_takes_no_other_with_it(keyed: Running) -> None:
    done = await typed("files", "upload", "report.txt", "empty.txt", *at(keyed))
    assert (done.exit_code, done.stdout.count("file_")) == (1, 1)
    assert "File size is zero" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("upload", "nowhere.txt"), 2, "does not exist"),
        (("upload", "report.txt", "--purpose", "image"), 1, "unsupported image format"),
        (("show", "last"), 1, "there are no files of this key"),
        (("content", "../models"), 1, "`moonbase files list` lists those of your key"),
        (("delete", "file_x"), 1, "file file_x is not found; `moonbase files list`"),
        (("content", "last", "-o", "."), 2, "is a directory"),
        (("list", "--key", "sk-wrong"), 3, "does not accept the API key"),
    ],
)
async def test_what_goes_wrong(keyed: Running, words: tuple[str, ...], code: int, said: str) -> None:
    done = await typed("files", *words, env={"MOONSHOT_BASE_URL": keyed.url, "MOONSHOT_API_KEY": KEY})
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


async def test_a_download_that_fails_leaves_what_was_there(keyed: Running, folder: Path) -> None:
    await typed("files", "upload", "report.txt", "--purpose", "batch", *at(keyed))
    (folder / "copy.txt").write_text("old")
    done = await typed("files", "content", "last", "-o", "copy.txt", *at(keyed))
    assert done.exit_code == 1
    assert "only files with the purpose 'file-extract'" in done.stderr
    assert (folder / "copy.txt").read_text() == "old"
    assert names(folder) == ["copy.txt", "empty.txt", "report.txt"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
async def test_a_name_that_is_no_text_can_be_uploaded(keyed: Running, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / name).write_text("coffee")
    assert (await typed("files", "upload", name, *at(keyed))).exit_code == 0
