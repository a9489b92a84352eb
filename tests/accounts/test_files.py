"""The store of uploaded files: each key's apart, whole or not at all, whatever ends the process (contract.md 5.4)."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from moonbase.accounts.file_index import FileLimits
from moonbase.accounts.files import FileStore, Upload
from moonbase.contract.errors import InvalidRequest, ServerError, SettingsError
from moonbase.contract.files import FileObject, Files, Purpose

NOW = 1_700_000_000.5
ID = re.compile(r"file_[0-9a-f]{32}")


def store(data_dir: Path, **limits: int) -> FileStore:
    return FileStore(data_dir, limits=FileLimits(**limits), clock=lambda: NOW)


async def put(
    files: FileStore, owner: str, data: bytes, *, name: str = "a.txt", purpose: Purpose = "image", text: bytes = b""
) -> FileObject:
    upload = await files.begin(owner)
    try:
        upload.write(data)
        upload.finish()
    except InvalidRequest:
        upload.discard()
        raise
    if text:
        upload.open_text().write(text)
    return await files.keep(owner, upload, filename=name, purpose=purpose)


def on_disk(data_dir: Path) -> set[str]:
    return {path.name for path in (data_dir / "files").rglob("*") if path.is_file()}


async def test_a_file_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    files = store(tmp_path)
    found: Files = files  # it is what tools are given
    kept = await put(files, "me", b"hello", name="../../x\r\n\0.txt", text=b"text of it")
    assert ID.fullmatch(kept.id)
    assert kept == FileObject(
        id=kept.id, bytes=5, created_at=1_700_000_000, filename="../../x\r\n\0.txt", purpose="image"
    )
    stored = await found.get("me", kept.id)
    assert stored is not None
    assert (stored.object, stored.path.read_bytes()) == (kept, b"hello")
    text = await files.text("me", kept.id)
    assert text is not None and text.read_bytes() == b"text of it"
    assert on_disk(tmp_path) == {kept.id, f"{kept.id}.txt"}
    await files.close()
    again = store(tmp_path)
    await again.open()
    assert await again.of("me") == [kept]
    assert on_disk(tmp_path) == {kept.id, f"{kept.id}.txt"}


async def test_another_owners_file_is_as_unknown(tmp_path: Path) -> None:
    files = store(tmp_path)
    mine, theirs = await put(files, "me", b"1", text=b"t"), await put(files, "they", b"2", text=b"t")
    for file_id in (theirs.id, "file_" + "0" * 32, "", "../files.db", mine.id + "\n", mine.id.upper()):
        assert await files.get("me", file_id) is None
        assert await files.text("me", file_id) is None
        assert await files.delete("me", file_id) is False
    assert await files.of("me") == [mine]
    assert await files.of("they") == [theirs]
    assert await files.of("nobody") == []


async def test_the_newest_comes_first(tmp_path: Path) -> None:
    files = store(tmp_path)
    kept = [await put(files, "me", b"x", name=str(number)) for number in range(5)]
    assert await files.of("me") == kept[::-1]


async def test_what_is_deleted_is_gone(tmp_path: Path) -> None:
    files = store(tmp_path)
    kept = await put(files, "me", b"1", text=b"t")
    assert await files.delete("me", kept.id) is True
    assert await files.delete("me", kept.id) is False
    assert await files.get("me", kept.id) is None
    assert on_disk(tmp_path) == set()


async def test_a_reader_keeps_what_is_deleted_under_it(tmp_path: Path) -> None:
    files = store(tmp_path)
    kept = await put(files, "me", b"1")
    stored = await files.get("me", kept.id)
    assert stored is not None
    with stored.path.open("rb") as reading:
        await files.delete("me", kept.id)
        assert reading.read() == b"1"


async def refused(files: FileStore, owner: str, data: bytes) -> str:
    with pytest.raises(InvalidRequest) as raised:
        await put(files, owner, data)
    return raised.value.message


async def test_the_limits(tmp_path: Path) -> None:
    """contract.md 4.2; the sum is the platform's page on uploads."""
    files = store(tmp_path, file_bytes=2 * 1024 * 1024, count=2, total_bytes=3_000_000)
    large = "File size is too large, max file size is 2MB, please confirm and re-upload the file"
    assert await refused(files, "me", b"x" * (2 * 1024 * 1024 + 1)) == large
    assert await refused(files, "me", b"") == "File size is zero, please confirm and re-upload the file"
    await put(files, "me", b"x" * 2_000_000)
    assert "your uploaded files have 2000000 bytes and this one 1000001" in await refused(files, "me", b"x" * 1_000_001)
    await put(files, "me", b"x" * 1_000_000)
    assert await refused(files, "me", b"x") == (
        "The number of files you have uploaded exceeded the max file count 2, please delete previous uploaded files"
    )
    await put(files, "they", b"x" * 2_000_000)


async def test_two_uploads_at_once_cannot_pass_the_limit_together(tmp_path: Path) -> None:
    files = store(tmp_path, count=1)
    uploads = [await files.begin("me") for _ in range(8)]
    for upload in uploads:
        upload.write(b"x")
        upload.finish()
    keeping = [files.keep("me", upload, filename="a", purpose="image") for upload in uploads]
    outcomes = await asyncio.gather(*keeping, return_exceptions=True)
    kept = [outcome for outcome in outcomes if isinstance(outcome, FileObject)]
    assert len(kept) == 1
    assert all(isinstance(outcome, InvalidRequest) for outcome in outcomes if outcome is not kept[0])
    assert on_disk(tmp_path) == {kept[0].id}


async def test_an_upload_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    files = store(tmp_path)
    upload = await files.begin("me")
    upload.write(b"x")
    upload.open_text().write(b"t")
    upload.discard()
    assert on_disk(tmp_path) == set()


async def test_a_start_removes_what_has_no_row_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = store(tmp_path)
    kept, lost = await put(files, "me", b"1", text=b"t"), await put(files, "me", b"2")
    await files.close()
    folder = tmp_path / "files"
    orphan = "file_" + "a" * 32
    for name in (orphan, f"{orphan}.txt", "incoming/" + "b" * 32, "incoming/" + "b" * 32 + ".txt", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (folder / lost.id).unlink()
    again = store(tmp_path)
    await again.open()
    assert on_disk(tmp_path) == {kept.id, f"{kept.id}.txt", "notes.txt"}
    assert await again.of("me") == [kept]
    assert f"the bytes of the uploaded file {lost.id} are gone" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards open files by itself")
async def test_a_start_leaves_the_uploads_of_another_server_alone(tmp_path: Path) -> None:
    files = store(tmp_path)
    upload = await files.begin("me")
    upload.write(b"x")
    upload.open_text().write(b"t")
    other = store(tmp_path)
    await other.open()
    upload.finish()
    kept = await files.keep("me", upload, filename="a", purpose="file-extract")
    assert await other.of("me") == [kept]
    text = await other.text("me", kept.id)
    assert text is not None and text.read_bytes() == b"t"


FOREVER = """
import asyncio, hashlib, os, sys
from pathlib import Path
from moonbase.accounts.files import FileStore

async def main():
    files = FileStore(Path(sys.argv[1]))
    print("ready", flush=True)
    while True:
        data = os.urandom(300_000)
        upload = await files.begin("me")
        upload.write(data)
        upload.finish()
        upload.open_text().write(data[:1000])
        name = hashlib.sha256(data).hexdigest()
        kept = await files.keep("me", upload, filename=name, purpose="file-extract")
        if int(name, 16) % 2:
            await files.delete("me", kept.id)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_process_killed_at_any_moment_leaves_whole_files_only(tmp_path: Path) -> None:
    moments = random.Random(7)
    kept: list[FileObject] = []
    for _ in range(12):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FOREVER, str(tmp_path)), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(moments.uniform(0.005, 0.12))
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        files = store(tmp_path)
        await files.open()
        kept = await files.of("me")
        for file in kept:
            stored, text = await files.get("me", file.id), await files.text("me", file.id)
            assert stored is not None and text is not None
            data = stored.path.read_bytes()
            assert hashlib.sha256(data).hexdigest() == file.filename
            assert text.read_bytes() == data[:1000]
        assert on_disk(tmp_path) == {name for file in kept for name in (file.id, f"{file.id}.txt")}
        await files.close()
    assert kept


def test_a_full_disk_is_said_without_a_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    upload = Upload(tmp_path / "x", FileLimits())
    upload.release()
    upload._file = full.open("w+b", buffering=0)  # pyright: ignore
    with pytest.raises(ServerError) as raised:
        upload.write(b"x")
    assert raised.value.message == "the server cannot keep or read files now: No space left on device"
    assert "uploaded files cannot be kept" in caplog.text
    upload.discard()


def test_an_index_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "files.db") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(SettingsError, match="of version 9"):
        store(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("")
    with pytest.raises(SettingsError, match="the folder of uploaded files"):
        store(tmp_path)
