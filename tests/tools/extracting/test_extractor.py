"""Each file is read in a process of its own: its text, the bounds it meets, and that no process stays."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from moonbase.tools.extracting.extractor import Extractor, ExtractorFailed, suffix_of
from moonbase.tools.extracting.text import Refused
from tests.tools.extracting.documents import paragraph, sheet, word

CORNER = '<row r="1"><c r="A1"><v>3</v></c></row><row r="1048576"><c r="XFD1048576"><v>3</v></c></row>'


async def extract(folder: Path, data: bytes, name: str, **how: float) -> str:
    file, out = folder / "file", folder / "text"
    file.write_bytes(data)
    with out.open("wb") as target:
        await Extractor(**how).extract(file, name, target)  # type: ignore[arg-type]
    return out.read_text()


async def test_the_text_of_a_file(tmp_path: Path) -> None:
    assert await extract(tmp_path, "é 房".encode(), "a.txt") == "é 房"
    assert await extract(tmp_path, word(paragraph("Hello")), "a.docx") == "Hello\n"
    assert await extract(tmp_path, sheet("<row><c><v>1</v></c></row>"), "a.xlsx") == "# Sales\n\n1\n\n"


async def test_a_folder_with_modules_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "types.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert await extract(tmp_path, b"text", "a.txt") == "text"


async def test_why_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"its format is not read \(doc\); save it as docx"):
        await extract(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Report.DOC")


@pytest.mark.skipif(sys.platform != "linux", reason="bounds of memory hold on Linux")
@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.docx", word(paragraph("x" * 110_000_000)), "its text is longer than 100 MB"),
        ("a.xlsx", sheet(CORNER), "reading it takes more memory or time than it may"),
    ],
    ids=["a zip bomb", "a sheet of 17 billion cells"],
)
async def test_what_expands_without_end(tmp_path: Path, name: str, data: bytes, text: str) -> None:
    assert len(data) < 1_000_000
    with pytest.raises(Refused) as raised:
        await extract(tmp_path, data, name)
    assert str(raised.value) == text


def children() -> set[int]:
    """The processes that this one has started and that still are."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(pid) for pid in found.read_text().split()} if found.exists() else set()


async def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(Refused, match=r"it takes longer than 0\.01 seconds to read"):
        await extract(tmp_path, b"x", "a.txt", seconds=0.01)
    assert children() <= before


async def test_one_that_nobody_waits_for_is_killed(tmp_path: Path) -> None:
    before = children()
    reading = asyncio.create_task(extract(tmp_path, b"<p>" * 10_000_000, "a.html"))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert children() <= before


async def test_few_at_once(tmp_path: Path) -> None:
    """More wait for their turn, and each gets its own text."""
    extractor = Extractor(size=2)

    async def one(number: int) -> bytes:
        file, out = tmp_path / f"{number}", tmp_path / f"{number}.out"
        file.write_bytes(b"%d" % number)
        with out.open("wb") as target:
            await extractor.extract(file, "a.txt", target)
        return out.read_bytes()

    assert await asyncio.gather(*map(one, range(5))) == [b"%d" % number for number in range(5)]


async def test_no_interpreter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with (tmp_path / "text").open("wb") as out, pytest.raises(ExtractorFailed, match="no process can be started"):
        await Extractor(python=str(tmp_path / "nothing")).extract(tmp_path / "file", "a", out)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.PDF", "pdf"),
        ("a.tar.gz", "gz"),
        (r"C:\docs\report.docx", "docx"),
        ("a", ""),
        (".bashrc", ""),
        ("a.$(rm -rf)", ""),
        ("a.d\0c", ""),
        ("a.文", ""),
        ("a." + "x" * 100, ""),
        ("", ""),
    ],
)
def test_suffixes(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix
