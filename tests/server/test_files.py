"""`/v1/files` over HTTP (contract.md 5.4, the rows of 4.2), by httpx and by the openai library."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncGenerator, Callable
from io import BytesIO
from pathlib import Path

import httpx
import openai
import pytest

from moonbase.accounts.file_index import FileLimits
from moonbase.tools.extracting.extractor import Extractor
from tests.contract.pictures import PNG, VIDEOS
from tests.running import KEY, NOW, Running, make_platform, running
from tests.server.client import Json, client, error_of

MP4 = VIDEOS["mp4"].data
OTHER = "sk-other-key"
INVALID = "invalid_request_error"
MISSING = "resource_not_found_error"


async def send(
    server: Running, data: bytes, *, name: str = "a.txt", purpose: str | None = "file-extract", key: str = KEY
) -> httpx.Response:
    form = {} if purpose is None else {"purpose": purpose}
    async with client(server, key) as http:
        return await http.post("/files", data=form, files={"file": (name, data)})


async def sent(server: Running, data: bytes, **how: str) -> Json:
    answer = await send(server, data, **how)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def get(server: Running, path: str, *, key: str = KEY) -> httpx.Response:
    async with client(server, key) as http:
        return await http.get(path)


def kept(server: Running) -> list[Path]:
    """Every file of the store, texts and what is on its way in too."""
    assert server.platform.data_dir is not None
    return [path for path in (server.platform.data_dir / "files").rglob("*") if path.is_file()]


async def until(holds: Callable[[], bool]) -> None:
    """What the server does after a client has left tells nobody when."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_life_of_a_file(server: Running) -> None:
    """contract.md 5.4."""
    text = "Häuser, 房子\n"
    file = await sent(server, text.encode(), name="häuser 房.txt")
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(text.encode()),
        "created_at": int(NOW),
        "filename": "häuser 房.txt",
        "purpose": "file-extract",
        "status": "ready",
        "status_details": "",
    }
    assert file["id"].startswith("file_")
    assert (await get(server, f"/files/{file['id']}")).json() == file
    assert (await get(server, "/files")).json() == {"object": "list", "data": [file]}
    content = await get(server, f"/files/{file['id']}/content")
    assert content.headers["content-type"] == "text/plain; charset=utf-8"
    assert content.headers["content-length"] == str(len(text.encode()))
    assert len(content.headers["x-trace-id"]) == 32
    assert content.text == text
    async with client(server) as http:
        gone = await http.delete(f"/files/{file['id']}")
        again = await http.delete(f"/files/{file['id']}")
    assert gone.json() == {"id": file["id"], "object": "file", "deleted": True}
    assert error_of(again) == (404, MISSING, f"file {file['id']} is not found")
    assert kept(server) == []


async def test_another_keys_file_is_as_unknown(server: Running) -> None:
    file = await sent(server, b"secret", key=OTHER)
    for path in (f"/files/{file['id']}", f"/files/{file['id']}/content"):
        assert error_of(await get(server, path)) == (404, MISSING, f"file {file['id']} is not found")
    async with client(server) as http:
        assert error_of(await http.delete(f"/files/{file['id']}"))[0] == 404
    assert (await get(server, "/files")).json()["data"] == []
    assert (await get(server, f"/files/{file['id']}", key=OTHER)).json() == file


@pytest.mark.parametrize("file_id", ["file_" + "0" * 32, "x", "..", "%2e%2e%2ffiles.db", "a" * 5000, "文"])
async def test_ids_that_are_none(server: Running, file_id: str) -> None:
    for path in (f"/files/{file_id}", f"/files/{file_id}/content"):
        status, kind, message = error_of(await get(server, path))
        assert (status, kind) == (404, MISSING)
        assert len(message) < 200


async def test_a_name_is_data(server: Running) -> None:
    """It is returned as it was sent, and nothing of it reaches a path, a header or the log."""
    name = "../../../etc/cron.d/x; rm -rf ~ \"'<b>.txt"
    file = await sent(server, b"x", name=name)
    assert file["filename"] == name
    assert (await get(server, "/files")).json()["data"][0]["filename"] == name
    assert sorted(path.name for path in kept(server)) == [file["id"], f"{file['id']}.txt"]
    body = b'--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfile-extract\r\n--X\r\nContent-Disposition: '
    body += b'form-data; name="file"; filename="a\0b\x1b[31m\t.txt"\r\n\r\nx\r\n--X--'
    async with client(server) as http:
        odd = await http.post("/files", content=body, headers={"content-type": "multipart/form-data; boundary=X"})
    assert odd.json()["filename"] == "a\0b\x1b[31m\t.txt"


async def test_the_pages_of_a_list(server: Running) -> None:
    files = [await sent(server, b"x", name=str(number)) for number in range(3)]
    picture = await sent(server, PNG, name="p.png", purpose="image")
    newest = [file["id"] for file in (picture, *files[::-1])]

    async def ids(**query: str | int) -> list[str]:
        async with client(server) as http:
            answer = (await http.get("/files", params=query)).json()
        assert set(answer) == {"object", "data"}
        return [file["id"] for file in answer["data"]]

    assert await ids() == newest
    assert await ids(order="asc") == newest[::-1]
    assert await ids(purpose="image") == [picture["id"]]
    assert await ids(limit=2) == newest[:2]
    assert await ids(limit=2, after=newest[1]) == newest[2:]
    assert await ids(after=newest[-1]) == []
    assert await ids(after="file_gone") == []
    for query, text in (
        ({"limit": 0}, "`limit` must be a whole number from 1 to 10000, got '0'"),
        ({"limit": "٣"}, "`limit` must be"),
        ({"limit": "9" * 99}, "`limit` must be"),
        ({"order": "up"}, "`order` must be one of asc, desc, got 'up'"),
        ({"purpose": "x"}, "`purpose` must be one of file-extract, image"),
    ):
        async with client(server) as http:
            status, kind, message = error_of(await http.get("/files", params=query))
        assert (status, kind) == (400, INVALID)
        assert text in message


async def test_purposes(server: Running) -> None:
    """contract.md 4.2, 5.4."""
    assert (await sent(server, PNG, name="a.png", purpose="image"))["purpose"] == "image"
    assert (await sent(server, MP4, name="a.mp4", purpose="video"))["purpose"] == "video"
    lines = await sent(server, b'{"custom_id": "1"}\n', name="a.jsonl", purpose="batch")
    for purpose in ("", "file_extract", "lambda", "batch_output", "x" * 1000):
        status, kind, message = error_of(await send(server, b"x", purpose=purpose))
        assert (status, kind) == (400, INVALID)
        assert message.startswith("Invalid purpose: only 'file-extract' accepted")
    content = error_of(await get(server, f"/files/{lines['id']}/content"))
    assert content[:2] == (400, INVALID)
    assert "was uploaded with the purpose 'batch'" in content[2]
    for purpose, data in (("image", b"no picture"), ("image", MP4), ("video", PNG)):
        status, kind, message = error_of(await send(server, data, purpose=purpose))
        assert (status, kind) == (400, INVALID)
        assert message.startswith(f"Invalid request: unsupported {purpose} format: the bytes of the `file` field are ")
    assert len(kept(server)) == 3


async def test_a_form_that_lacks_something(server: Running) -> None:
    assert error_of(await send(server, b"x", purpose=None)) == (
        400,
        INVALID,
        "Invalid request: the `purpose` field in the request is required",
    )
    async with client(server) as http:
        no_file = await http.post("/files", files={"purpose": (None, b"image")})
        as_text = await http.post("/files", files={"purpose": (None, b"image"), "file": (None, b"x")})
        twice = await http.post(
            "/files", data={"purpose": "image"}, files=[("file", ("a", b"x")), ("file", ("b", b"y"))]
        )
        as_json = await http.post("/files", json={"file": "x", "purpose": "image"})
    assert error_of(no_file)[2] == "Invalid request: the `file` field in the request is required"
    assert (
        "the `file` field in the request (expected type file) is illegal: it has no file name" in error_of(as_text)[2]
    )
    assert "the `file` field is in the request twice" in error_of(twice)[2]
    assert (
        "content type 'application/json'; expected multipart/form-data with the fields `file`" in error_of(as_json)[2]
    )
    assert kept(server) == []


async def test_fields_that_are_not_known_are_passed_over(server: Running) -> None:
    """As openai's `expires_after`; the parts may come in any order."""
    async with client(server) as http:
        parts = [
            ("file", ("a.txt", b"x")),
            ("expires_after[anchor]", (None, b"x" * 1000)),
            ("purpose", (None, b"batch")),
        ]
        answer = await http.post("/files", files=parts)
    assert answer.json()["purpose"] == "batch"


async def test_the_limits(tmp_path: Path) -> None:
    """contract.md 4.2, in its words."""
    limits = FileLimits(file_bytes=1024 * 1024, count=2)
    async with running(make_platform(tmp_path, file_limits=limits)) as server:
        large = "File size is too large, max file size is 1MB, please confirm and re-upload the file"
        for size in (1024 * 1024 + 1, 5 * 1024 * 1024):
            assert error_of(await send(server, b"x" * size)) == (400, INVALID, large)
        empty = error_of(await send(server, b""))
        assert empty == (400, INVALID, "File size is zero, please confirm and re-upload the file")
        assert kept(server) == []
        for _ in range(2):
            await sent(server, b"x")
        full = (
            "The number of files you have uploaded exceeded the max file count 2, please delete previous uploaded files"
        )
        assert error_of(await send(server, b"x")) == (400, INVALID, full)
        await sent(server, b"x", key=OTHER)


async def test_the_largest_file(tmp_path: Path) -> None:
    """contract.md 5.4: 100 MB. One byte more is refused, and the connection stays usable."""
    async with running(make_platform(tmp_path)) as server, client(server) as http:
        whole = 100 * 1024 * 1024
        head = PNG + b"\0" * (1024 * 1024 - len(PNG))

        async def upload(size: int) -> httpx.Response:
            start = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            end = b'\r\n--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nimage\r\n--X--\r\n'

            async def body() -> AsyncGenerator[bytes]:
                yield start
                for at in range(0, size, len(head)):
                    yield (head if at == 0 else b"\1" * len(head))[: size - at]
                yield end

            return await http.post(
                "/files", content=body(), headers={"content-type": "multipart/form-data; boundary=X"}, timeout=60
            )

        taken, refused = await upload(whole), await upload(whole + 1)
        assert taken.json()["bytes"] == whole
        assert error_of(refused)[2].startswith("File size is too large, max file size is 100MB")
        assert (await http.get("/files")).json()["data"] == [taken.json()]
        assert [path.stat().st_size for path in kept(server)] == [whole]


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(server: Running) -> None:
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100000\r\n"
    head += "Content-Type: multipart/form-data; boundary=X\r\n\r\n"
    writer.write(head.encode() + b'--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nsome')
    await writer.drain()
    await until(lambda: len(kept(server)) == 1)
    writer.close()
    await until(lambda: kept(server) == [])
    assert await reader.read() == b""


async def test_what_a_document_says(server: Running) -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("word/document.xml", '<d xmlns:w="w"><w:p><w:r><w:t>Hello there</w:t></w:r></w:p></d>')
    stored = await sent(server, file.getvalue(), name="a.docx")
    assert (await get(server, f"/files/{stored['id']}/content")).text == "Hello there\n"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.png", PNG, "Failed to extract file: it is a picture, and pictures are not read"),
        ("a.pdf", b"%PDF-1.7\nbroken", "Failed to extract file: it is no PDF that can be read"),
        ("a.docx", b"PK\3\4broken", "Failed to extract file: it is a broken zip file"),
        ("a.bin", bytes(range(256)), "Failed to extract file: its format is not read (bin)"),
    ],
)
async def test_a_file_without_text_is_refused(server: Running, name: str, data: bytes, text: str) -> None:
    """contract.md 4.2, and 5.4 for pictures since 2026-08-31."""
    status, kind, message = error_of(await send(server, data, name=name))
    assert (status, kind) == (400, INVALID)
    assert message.startswith(text)
    assert kept(server) == []


async def test_a_server_that_cannot_read_any_file(tmp_path: Path) -> None:
    """contract.md 4.2: then it is the server's failure."""
    platform = make_platform(tmp_path, extractor=Extractor(python=str(tmp_path / "nothing")))
    async with running(platform) as server:
        status, kind, message = error_of(await send(server, b"x"))
        assert (status, kind) == (500, "server_error")
        assert message == "Failed to extract file: no process can be started to read it: No such file or directory"
        assert kept(server) == []


async def test_files_are_there_after_a_restart(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server:
        file = await sent(server, b"still here")
    async with running(make_platform(tmp_path)) as server:
        assert (await get(server, "/files")).json()["data"] == [file]
        assert (await get(server, f"/files/{file['id']}/content")).text == "still here"


async def test_the_openai_client(server: Running, tmp_path: Path) -> None:
    """What the platform's documentation shows: upload, read, show it to a model, delete."""
    (tmp_path / "letter.txt").write_text("Dear moon,")

    def work() -> str:
        with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as api:
            file = api.files.create(file=tmp_path / "letter.txt", purpose="file-extract")  # type: ignore[arg-type]
            assert (file.filename, file.bytes, file.status) == ("letter.txt", 10, "ready")
            assert api.files.create(file=b"{}", purpose="batch").filename == "upload"
            assert api.files.retrieve(file.id) == file
            assert [found.filename for found in api.files.list()] == ["upload", "letter.txt"]
            assert [found.id for found in api.files.list(purpose="file-extract", limit=1)] == [file.id]
            text = api.files.content(file.id).text
            for found in api.files.list():
                assert api.files.delete(found.id).deleted
            assert list(api.files.list()) == []
            with pytest.raises(openai.NotFoundError):
                api.files.content(file.id)
            with pytest.raises(openai.BadRequestError, match="File size is zero"):
                api.files.create(file=("a.txt", b""), purpose="batch")
            return text

    assert await asyncio.to_thread(work) == "Dear moon,"


def test_the_example_of_the_schema_is_a_form_field() -> None:
    """The form's document says `binary`, which is what makes a client send a file."""
    from moonbase.server.openapi import document

    upload = document()["paths"]["/v1/files"]["post"]["requestBody"]["content"]
    assert list(upload) == ["multipart/form-data"]
    form = document()["components"]["schemas"]["UploadForm"]
    assert json.dumps(form["properties"]["file"]["format"]) == '"binary"'
