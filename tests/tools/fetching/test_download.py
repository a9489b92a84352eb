"""Downloads that go well: redirects, TLS, encodings, what the operator allows; and connections that leave no trace."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from moonbase.tools.fetching.download import Bounds, Downloader
from moonbase.tools.fetching.pages import PageReader
from moonbase.tools.fetching.policy import Policy
from moonbase.tools.fetching.targets import parse_target
from moonbase.tools.tool import ToolError
from tests.tools.fetching.authority import Authority
from tests.tools.fetching.world import PUBLIC, Server, Visit, World, always, page, redirect, serving


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    async with serving(always(page(b"hello"))) as up:
        yield up


@pytest.fixture
def world(server: Server) -> World:
    return World({"public.example": [[PUBLIC]], "intranet.example": [["10.0.0.7"]]}, {PUBLIC: server})


@pytest.fixture
def downloader(world: World) -> Downloader:
    return Downloader(Policy(), world)


async def test_a_page(downloader: Downloader, server: Server) -> None:
    found = await downloader.get("  HTTP://Public.Example/a b/ä?q=ü&x=%20#part ")
    assert (found.url, found.data) == ("http://public.example/a%20b/%C3%A4?q=%C3%BC&x=%20", b"hello")
    assert server.heads[0].startswith("GET /a%20b/%C3%A4?q=%C3%BC&x=%20 HTTP/1.1\r\n")
    assert "\r\nHost: public.example\r\n" in server.heads[0]


async def test_the_port_is_part_of_the_host(downloader: Downloader, server: Server) -> None:
    assert (await downloader.get("http://public.example:8080")).url == "http://public.example:8080/"
    assert "\r\nHost: public.example:8080\r\n" in server.heads[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://例え.jp/", "xn--r8jz45g.jp"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://_dmarc.example.com/", "_dmarc.example.com"),
        ("https://[2606:4700:4700:0::1111]/", "2606:4700:4700::1111"),
        ("https://1.1.1.1/", "1.1.1.1"),
        ("https://3com.example/", "3com.example"),
    ],
)
def test_hosts_that_are_fine(url: str, host: str) -> None:
    target = parse_target(url)
    Policy().check_target(target)
    assert target.host == host


async def test_redirects_are_followed(downloader: Downloader, server: Server) -> None:
    steps = {"/a/b": "../c?x=1#y", "/c?x=1": "//public.example/d", "/d": "http://PUBLIC.example:80/é", "/%C3%A9": ""}

    async def answer(visit: Visit) -> None:
        location = steps[visit.path]
        await visit.send(redirect(location) if location else page(b"there"))

    server.answer = answer
    found = await downloader.get("http://public.example/a/b")
    assert (found.url, found.data) == ("http://public.example/%C3%A9", b"there")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (gzip.compress(b"packed", mtime=0), "gzip"),
        (gzip.compress(b"pack", mtime=0) + gzip.compress(b"ed", mtime=0), "x-gzip"),
        (gzip.compress(b"packed", mtime=0) + b"\0\0\0", "GZIP"),
        (zlib.compress(b"packed"), "deflate"),
        (zlib.compress(b"packed")[2:-4], "deflate"),
        (b"packed", "identity"),
    ],
)
async def test_packed_bodies(downloader: Downloader, server: Server, data: bytes, encoding: str) -> None:
    server.answer = always(page(data, more=f"Content-Encoding: {encoding}\r\n"))
    assert (await downloader.get("http://public.example/")).data == b"packed"


async def test_chunks(downloader: Downloader, server: Server) -> None:
    server.answer = always(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n"
    )
    assert (await downloader.get("http://public.example/")).data == b"abcde"


async def test_a_page_may_be_as_large_as_the_bound(world: World, server: Server) -> None:
    downloader = Downloader(Policy(), world, Bounds(page_bytes=1000))
    server.answer = always(page(b"x" * 1000))
    assert len((await downloader.get("http://public.example/")).data) == 1000
    server.answer = always(page(b"x" * 1001))
    with pytest.raises(ToolError, match="1001 bytes; it is too large"):
        await downloader.get("http://public.example/")


@pytest.mark.parametrize(
    ("status", "message"), [("404 Not Found", "404 .Not Found. for http://public.example/x"), ("599 Odd", "status 599")]
)
async def test_errors_of_the_server(downloader: Downloader, server: Server, status: str, message: str) -> None:
    server.answer = always(page(b"no", status=status))
    with pytest.raises(ToolError, match=message):
        await downloader.get("http://public.example/x")


async def test_names_that_are_not_found(downloader: Downloader) -> None:
    with pytest.raises(ToolError, match=r"typo\.example cannot be found"):
        await downloader.get("http://typo.example/")


async def test_a_server_that_is_not_there(server: Server) -> None:
    async with serving(always(b"")) as gone:
        pass
    world = World({"gone.example": [[PUBLIC]]}, {PUBLIC: gone})
    with pytest.raises(ToolError, match=r"gone\.example cannot be reached on port 80"):
        await Downloader(Policy(), world).get("http://gone.example/")


async def test_the_next_address_is_tried(server: Server) -> None:
    async with serving(always(b"")) as gone:
        pass
    world = World({"two.example": [["8.8.4.4", PUBLIC]]}, {"8.8.4.4": gone, PUBLIC: server})
    assert (await Downloader(Policy(), world).get("http://two.example/")).data == b"hello"
    assert world.dialed == ["8.8.4.4", PUBLIC]


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        (["10.0.0.0/8"], "http://intranet.example/"),
        (["10.0.0.7"], "http://10.0.0.7/"),
        (["intranet.example"], "http://intranet.example/"),
        ([".example"], "http://intranet.example/"),
        (["Intranet.Example"], "http://INTRANET.example/"),
    ],
)
async def test_what_the_operator_allows(world: World, server: Server, allow: list[str], url: str) -> None:
    world.servers["10.0.0.7"] = server
    assert (await Downloader(Policy(allow), world).get(url)).data == b"hello"


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        (["192.168.0.0/16"], "http://intranet.example/"),
        (["intranet.example"], "http://10.0.0.7/"),
        ([".intranet.example"], "http://intranet.example/"),
        (["10.0.0.0/8"], "http://[::ffff:10.0.0.7]/"),
        (["metadata.example"], "http://metadata.example/"),
        (["10.0.0.0/8"], "http://10.0.0.7:6379/"),
    ],
)
async def test_what_that_does_not_allow(world: World, allow: list[str], url: str) -> None:
    world.names["metadata.example"] = [["169.254.169.254"]]
    with pytest.raises(ToolError):
        await Downloader(Policy(allow), world).get(url)
    assert world.dialed == []


async def test_tls(tmp_path: Path) -> None:
    authority = Authority.make()
    trusted = authority.trusting()
    async with serving(always(page(b"sealed")), tls=authority.serving("public.example", tmp_path)) as secure:
        world = World({"public.example": [[PUBLIC]], "other.example": [[PUBLIC]]}, {PUBLIC: secure}, trusted=trusted)
        assert (await Downloader(Policy(), world).get("https://public.example/")).data == b"sealed"
        assert len(secure.heads) == 1
        with pytest.raises(ToolError, match=r"certificate of other\.example does not prove"):
            await Downloader(Policy(), world).get("https://other.example/")
        with pytest.raises(ToolError, match=r"certificate of 93\.184\.216\.34 does not prove"):
            await Downloader(Policy(), world).get(f"https://{PUBLIC}/")
        world.trusted = ssl.create_default_context()
        with pytest.raises(ToolError, match="certificate"):
            await Downloader(Policy(), world).get("https://public.example/")
        assert len(secure.heads) == 1  # nobody said a word to a server that did not prove who it is


async def test_no_tls_where_it_is_expected(downloader: Downloader, server: Server) -> None:
    server.greeting = b"220 mail.example ready\r\n"
    with pytest.raises(ToolError, match="no secure connection"):
        await asyncio.wait_for(downloader.get("https://public.example/"), 20)


def sockets() -> int:
    return sum("socket:" in target(entry) for entry in Path("/proc/self/fd").iterdir())


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


linux = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts open files in /proc")  # noqa: PTH110


async def never(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 200 OK\r\n\r\nx")
    await asyncio.Event().wait()


@linux
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelling_closes_the_connection_at_once(world: World, server: Server, scheme: str) -> None:
    before = sockets()
    arrived = asyncio.Event()

    async def answer(visit: Visit) -> None:
        arrived.set()
        await never(visit)

    # Over https the server never answers the handshake: it waits for a head that ends in an empty line.
    server.answer = answer
    fetching = asyncio.create_task(Downloader(Policy(), world).get(f"{scheme}://public.example/"))
    await (arrived if scheme == "http" else server.came).wait()
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    assert fetching.cancelled()
    await asyncio.wait_for(asyncio.wait(server.visits), 2)
    assert sockets() == before


@linux
async def test_two_hundred_at_once_leave_nothing_open(world: World, server: Server) -> None:
    ways = [always(page(b"hello")), always(redirect("http://127.0.0.1/")), never, always(b"junk\r\n\r\n")]

    async def answer(visit: Visit) -> None:
        await ways[int(visit.path[1:]) % len(ways)](visit)

    server.answer = answer
    reader = PageReader(Downloader(Policy(), world, Bounds(silence_s=1.0)))
    await reader.read("http://public.example/0", raw=True, seconds=20)
    before = files()
    reads = [reader.read(f"http://public.example/{number}", raw=True, seconds=25) for number in range(200)]
    results = await asyncio.gather(*reads, return_exceptions=True)
    done = [result for result in results if not isinstance(result, BaseException)]
    assert len(done) == 50
    assert all(isinstance(result, ToolError) for result in results if isinstance(result, BaseException))
    await asyncio.wait(server.visits, timeout=5)
    # One more renderer may have been started: two pipes and, since Python 3.12, the process itself.
    assert files() <= before + 3
    await reader.close()
