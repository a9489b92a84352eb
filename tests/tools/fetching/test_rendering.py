"""Pages as text: what each kind becomes, charsets, and pages that are made to break the parser."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from moonbase.tools.fetching.charsets import codec_of, decode
from moonbase.tools.fetching.media import Kind, media_of
from moonbase.tools.fetching.rendering import Job, Page, indented, plain, render, title_of
from moonbase.tools.fetching.workers import Renderers
from moonbase.tools.tool import ToolError

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
sees_processes = pytest.mark.skipif(not CHILDREN.exists(), reason="looks for processes in /proc")

ARTICLE = """<!doctype html><html><head><title>A  walk
 &amp; a talk</title></head><body><nav><a href="/">Home</a></nav><main><article><h1>A walk</h1>
<p>The path follows the river for a good while, and then climbs into the hills behind the town of Port Alder.</p>
<h2>What to take</h2><p>Take <b>water</b>, a map and <a href="../shoes">good shoes</a>; run <code>walk()</code>.</p>
<ol><li>Start early</li><li>Rest often</li></ol><table><tr><th>Hour</th><th>Place</th></tr>
<tr><td>1</td><td>Mill</td></tr>
</table><pre><code>left
  right</code></pre></article></main><footer>Imprint</footer></body></html>"""


def rendered(data: bytes | str, kind: Kind = "html", *, charset: str | None = None, raw: bool = False) -> Page:
    return render(Job(data.encode() if isinstance(data, str) else data, kind, charset, "http://h.example/a/b", raw))


def test_a_page_becomes_markdown() -> None:
    page = rendered(ARTICLE)
    assert page.title == "A walk & a talk"
    for piece in (
        "# A walk",
        "## What to take",
        "**water**",
        "[good shoes](http://h.example/shoes)",
        "`walk()`",
        "1. Start early",
        "| 1 | Mill |",
        "```\nleft\n  right\n```",
    ):
        assert piece in page.text
    assert "Imprint" not in page.text
    assert "Home" not in page.text


def test_raw_is_the_source() -> None:
    assert rendered(ARTICLE, raw=True) == Page("A walk & a talk", ARTICLE)
    assert rendered('{"a":1}', "json", raw=True).text == '{"a":1}'


def test_json_is_indented() -> None:
    assert rendered('{"a":[1,"ü"],"b":{}}', "json").text == json.dumps(
        {"a": [1, "ü"], "b": {}}, indent=2, ensure_ascii=False
    )
    assert rendered('{"a":', "json").text == '{"a":'


def test_other_text_is_left_alone() -> None:
    assert rendered("<b>no page</b>", "text") == Page("", "<b>no page</b>")
    feed = '<?xml version="1.0"?><rss><channel><title>News</title></channel></rss>'
    assert rendered(feed, "text").text == feed


@pytest.mark.parametrize(
    ("data", "text"),
    [("<!DOCTYPE html><p>Hello there", "Hello there"), ('{"a":1}', '{\n  "a": 1\n}'), ("a < b", "a < b")],
)
def test_a_page_that_does_not_say_what_it_is(data: str, text: str) -> None:
    assert rendered(data, "unknown").text == text


def test_what_is_binary_is_refused() -> None:
    assert "binary data" in rendered(b"\x7fELF\0\0\0", "unknown").refusal
    assert "binary data" in rendered(b"\x89PNG\0", "text").refusal


@pytest.mark.parametrize(
    ("header", "kind", "charset"),
    [
        ("text/html; charset=ISO-8859-1", "html", "ISO-8859-1"),
        ('TEXT/HTML;charset="utf-8"', "html", "utf-8"),
        ("application/xhtml+xml", "html", None),
        ("application/ld+json", "json", None),
        ("application/rss+xml; charset=utf-8", "text", "utf-8"),
        ("text/markdown", "text", None),
        ("image/svg+xml", "text", None),
        ("", "unknown", None),
        ("application/octet-stream", "unknown", None),
    ],
)
def test_kinds(header: str, kind: Kind, charset: str | None) -> None:
    media = media_of(header, "http://h.example/")
    assert (media.kind, media.charset) == (kind, charset)


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        ("käse".encode(), None, "käse"),
        ("käse".encode("latin-1"), "iso-8859-1", "käse"),
        ("“käse” €".encode("cp1252"), "ISO-8859-1", "“käse” €"),
        ("漢字".encode("shift_jis"), "Shift_JIS", "漢字"),
        ("汉字€".encode("gb18030"), "gb2312", "汉字€"),
        ("слово".encode("koi8-r"), "koi8-r", "слово"),
        (b"\xef\xbb\xbf" + "käse".encode(), "iso-8859-1", "käse"),
        ("käse".encode("utf-16"), None, "käse"),
        ("käse".encode("utf-16-be"), "utf-16be", "käse"),
        (b'<meta charset="windows-1251">' + "слово".encode("cp1251"), None, '<meta charset="windows-1251">слово'),
        (b'<?xml encoding="euc-jp"?>' + "漢".encode("euc_jp"), None, '<?xml encoding="euc-jp"?>漢'),
        (b"<meta http-equiv=x content='text/html; charset=big5'>" + "漢".encode("big5"), "nonsense",
         "<meta http-equiv=x content='text/html; charset=big5'>漢"),
        (b'<meta charset="utf-16">' + "ä".encode(), None, '<meta charset="utf-16">ä'),
        (b"broken \xff utf-8", "utf-8", "broken \ufffd utf-8"),
    ],
)  # fmt: skip
def test_charsets(data: bytes, declared: str | None, text: str) -> None:
    assert decode(data, declared) == text


def test_a_charset_that_nobody_names_is_guessed() -> None:
    text = "Съешь же ещё этих мягких французских булок да выпей чаю. " * 20
    assert decode(text.encode("cp1251"), None) == text


@pytest.mark.parametrize(
    "label", ["zip", "bz2", "hex", "rot13", "idna", "punycode", "unicode_escape", "utf-7", "", "x" * 40]
)
def test_codecs_that_are_none_of_the_web(label: str) -> None:
    assert codec_of(label) is None


def test_plain_text_of_a_page() -> None:
    html = "<head><title>T</title><style>p{}</style></head><body>a<script>no()</script><p>b &lt; c</p><div>d<br>e</div>"
    assert plain(html) == "a\nb < c\n\nd\ne"
    assert title_of("<svg><title>icon</title></svg>") == "icon"
    assert title_of("<p>none</p>") == ""


def test_a_huge_page_is_read_as_plain_text() -> None:
    """The extractor takes more than twice as long for twice the page."""
    page = rendered("<title>Long</title>" + "<p>a line of text</p>" * 100_000)
    assert (page.title, page.text.count("a line of text")) == ("Long", 100_000)


def test_indenting_stays_within_bounds() -> None:
    bomb = "[" * 200 + ",".join(["[1]"] * 100_000) + "]" * 200
    assert indented(bomb) == bomb
    assert indented("[" * 100_000 + "]" * 100_000) == "[" * 100_000 + "]" * 100_000
    assert indented('["]]]]", 1]') == '[\n  "]]]]",\n  1\n]'


def children() -> list[int]:
    """The renderers among the processes that this one has started."""
    return [int(child) for child in CHILDREN.read_text().split() if b"fetching.worker" in command_of(child)]


def command_of(child: str) -> bytes:
    try:
        return Path(f"/proc/{child}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.fixture
async def renderers() -> AsyncGenerator[Renderers]:
    made = Renderers(size=1, seconds=4.0)
    yield made
    await made.close()


def job(html: str) -> Job:
    return Job(html.encode(), "html", None, "http://h.example/", False)


async def test_a_folder_with_modules_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "types.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    renderers = Renderers(size=1)
    try:
        assert (await renderers.render(job("<p>hello</p>"))).text == "hello"
    finally:
        await renderers.close()


LAUGHS = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 12))
HOSTILE = {
    "elements nested 100,000 deep": "<div>" * 100_000 + "hello",
    "inline elements nested 100,000 deep": "<p>" + "<b>" * 100_000 + "hello",
    "lists nested 50,000 deep": "<ul><li>" * 50_000 + "hello",
    "tables nested 20,000 deep": "<table><tr><td>" * 20_000 + "hello",
    "an attribute of 4 MB": f'<p a="{"x" * 4_000_000}">hello</p>',
    "300,000 attributes": f"<p {' '.join(f'a{number}=1' for number in range(300_000))}>hello</p>",
    "150,000 paragraphs": "<p>hello world, this is a line of text</p>" * 100_000,
    "150,000 links": "<p>" + "<a href=/x>y</a>" * 150_000,
    "a billion laughs": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><html><p>&l11;hello</p></html>',
    "an external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><p>hello &e;</p></html>',
    "a million comments that do not end": "<!--" * 1_000_000,
    "a million angle brackets": "<" * 1_000_000,
    "character references that are none": "&#9999999999999;" * 100_000 + "hello",
    "a title without end": "<title>" + "x" * 4_000_000,
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_page_ends_in_text_or_in_a_refusal_and_the_next_one_is_read(
    renderers: Renderers, html: str
) -> None:
    turns = 0

    async def counting() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.05)
            turns += 1

    started = asyncio.get_running_loop().time()
    ticking = asyncio.create_task(counting())
    try:
        page = await renderers.render(job(html))
        assert "root:" not in page.text
        assert len(page.text) < 5_000_000
    except ToolError as error:
        assert "raw=true" in str(error)
    seconds = asyncio.get_running_loop().time() - started
    ticking.cancel()
    assert seconds < 10
    assert turns >= seconds / 0.5 - 2  # the event loop went on all the while
    assert (await asyncio.wait_for(renderers.render(job("<p>and on it goes")), 20)).text == "and on it goes"


@sees_processes
async def test_a_process_that_dies_is_replaced(renderers: Renderers) -> None:
    await renderers.render(job("<p>one"))
    os.kill(children()[0], 9)
    with pytest.raises(ToolError, match="cannot be turned into text"):
        await renderers.render(job("<p>two"))
    assert (await renderers.render(job("<p>three"))).text == "three"


@sees_processes
async def test_cancelling_ends_the_process(renderers: Renderers) -> None:
    rendering = asyncio.create_task(renderers.render(job(HOSTILE["300,000 attributes"])))
    while not children():  # noqa: ASYNC110  the process announces itself to nobody but the system
        await asyncio.sleep(0.01)
    rendering.cancel()
    await asyncio.gather(rendering, return_exceptions=True)
    assert children() == []


@sees_processes
async def test_the_process_sees_no_secret(renderers: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONBASE_SECRET", "sk-secret")
    await renderers.render(job("<p>one"))
    environment = Path(f"/proc/{children()[0]}/environ").read_bytes()  # noqa: ASYNC240
    assert b"PYTHONPATH" in environment
    assert b"sk-secret" not in environment
