"""The playground in a browser: what a user sees and does, with a real server behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from moonbase.cli.compose import PLAYGROUND
from moonbase.contract.engine import Engine
from moonbase.engines.scripted import ScriptedEngine
from tests.running import make_platform, running
from tests.web.browser import CHROMIUM, Tab, browsing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed, and MOONBASE_TEST_CHROMIUM names none"),
]

LOADED = "document.querySelector('#balance')?.textContent"
IDLE = "document.querySelector('#stop').hidden"
ANSWERS = "[...document.querySelectorAll('.answer .content')].map((each) => each.innerText)"
IN_SIGHT = (
    "(() => { const { scrollTop, scrollHeight, clientHeight } = document.querySelector('#talk');"
    "return scrollHeight - scrollTop - clientHeight < 2; })()"
)
DATE = """Call the tool `date` with these JSON arguments:
{"operation": "between", "date1": "2026-01-01", "date2": "2026-01-08"}"""
WEATHER = '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]'


@asynccontextmanager
async def playground(
    tmp_path: Path, *, engine: Engine | None = None, keys: tuple[str, ...] = (), loaded: str = LOADED
) -> AsyncGenerator[Tab]:
    """The page in a browser; what is wrong with it in the console's eyes fails the test."""
    platform = make_platform(tmp_path, engine=engine, keys=keys, site=PLAYGROUND)
    async with running(platform) as server, browsing(tmp_path / "profile") as tab:
        await tab.visit(f"{server.url}/playground")
        await tab.until(loaded)
        yield tab
        assert [url for url in tab.asked if not url.startswith((server.url, "data:"))] == []
        assert [line for line in tab.said if "401 (Unauthorized)" not in line] == []


async def ask(tab: Tab, text: str) -> None:
    await tab.click("#text")
    await tab.write(text)
    await tab.enter()


async def test_a_conversation(tmp_path: Path) -> None:
    async with playground(tmp_path) as tab:
        await ask(tab, "Hello\n\n1. one\n   - two\n\n2. <b>three</b>\n\n" + "A line.\n\n" * 60)
        await tab.until(f"{IDLE} && document.querySelector('.foot')")
        assert await tab.run("document.querySelector('.thinking > div').textContent") == (
            "I am the scripted engine. I read this and answer."
        )
        assert "Thought for" in await tab.run("document.querySelector('.thinking > summary').textContent")
        assert (await tab.run(ANSWERS))[0].startswith("You said: Hello")
        assert await tab.run("document.querySelectorAll('.content ol > li').length") == 2
        assert await tab.run("document.querySelectorAll('.content b').length") == 0
        assert await tab.run(IN_SIGHT)
        assert await tab.run("document.activeElement.id") == "text"
        # A second question is seen wherever the first was left.
        await tab.run("document.querySelector('#talk').scrollTop = 0")
        await ask(tab, "And more")
        await tab.until(f"{IDLE} && {ANSWERS}[1]")
        assert await tab.run(ANSWERS + "[1]") == "You said: And more"
        assert await tab.run(IN_SIGHT)


async def test_an_official_tool_runs(tmp_path: Path) -> None:
    async with playground(tmp_path) as tab:
        await tab.click("#tools input[value='moonshot/date:latest']")
        await ask(tab, DATE)
        await tab.until(f"{IDLE} && {ANSWERS}[0]")
        assert await tab.run(ANSWERS) == ["7 days"]
        call = await tab.run("document.querySelector('.call').textContent")
        assert call.startswith("Tool: date")
        assert call.endswith("7 days")
        assert [url for url in tab.asked if url.endswith("/tools")] == []


async def test_a_tool_of_the_users_own(tmp_path: Path) -> None:
    async with playground(tmp_path) as tab:
        await tab.click("#own")
        await tab.write(WEATHER)
        await ask(tab, 'Call the tool `weather` with these JSON arguments: {"city": "北京"}')
        await tab.until("document.activeElement.matches('.call textarea')")
        await tab.write("Sunny")
        await tab.click(".call form button")
        await tab.until(f"{IDLE} && {ANSWERS}[0]")
        assert await tab.run(ANSWERS) == ["Sunny"]


async def test_stop_and_edit_and_reload(tmp_path: Path) -> None:
    engine = ScriptedEngine(pace=0.05)
    async with playground(tmp_path, engine=engine) as tab:
        await ask(tab, "First")
        await tab.until(f"{IDLE} && {ANSWERS}[0]")
        await ask(tab, "many words " * 500)
        await tab.until(f"{ANSWERS}[1]")
        await tab.write("And this")
        await tab.click("#stop")
        await tab.until(f"{IDLE} && document.querySelector('.answer.undone')")
        assert await tab.run("document.querySelector('#text').value.split('\\n\\n')") == [
            ("many words " * 500).strip(),
            "And this",
        ]
        assert engine.generated < 1000
        # After a reload what was answered is there again; what was not stands where it was written.
        await tab.run("document.querySelector('#text').value = ''")
        await ask(tab, "many words " * 500)
        await tab.until(f"{ANSWERS}[2]")
        await tab.reload()
        await tab.until(f"{LOADED} && {ANSWERS}.length === 1")
        assert await tab.run("document.querySelector('#text').value") == ("many words " * 500).strip()
        await tab.run("document.querySelector('#text').value = ''")
        await tab.click(".user button")
        assert await tab.run("document.querySelector('#text').value") == "First"
        await tab.enter()
        await tab.until(f"{IDLE} && {ANSWERS}[0]")
        assert await tab.run("document.querySelectorAll('.user').length") == 1


async def test_keys(tmp_path: Path) -> None:
    notice = "document.querySelector('#notice').textContent"
    async with playground(tmp_path, keys=("sk-right",), loaded=f"{notice}.includes('asks for an API key')") as tab:
        for key, wanted in (
            ("sk-wrong", f"{notice}.includes('was refused')"),
            ("密钥", f"{notice}.includes('no key has')"),
            ("sk-right", LOADED),
        ):
            await tab.click("#key")
            await tab.run("document.querySelector('#key').select()")
            await tab.write(key)
            await tab.enter()
            await tab.until(wanted)
        assert await tab.run("document.querySelector('#notice').hidden")
