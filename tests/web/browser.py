"""A Chromium in a test, led by the DevTools protocol through its pipe: no more than the standard library and a browser
that is installed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("MOONBASE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
_FLAGS = (
    "--headless",
    "--window-size=1280,800",
    # It sees pages of the test alone, and root has no sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
)
# The protocol's pipe is 3 and 4; asyncio has streams for 0 and 1.
_PIPED = 'exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1'
_UNTIL = """new Promise((done) => {
  const look = () => (%s) && (watching.disconnect(), done(true));
  const watching = new MutationObserver(look);
  watching.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  look();
})"""

_MIDDLE = """(() => {
  const found = document.querySelector(%s);
  found.scrollIntoView();
  const { x, y, width, height } = found.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
})()"""


class Tab:
    """A page. `said` is what its console was told, apart from the browser's own advice; `asked` the addresses that it
    asked for."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout
        self._session: str | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sent = 0
        self._loaded = asyncio.Event()
        self.said: list[str] = []
        self.asked: list[str] = []

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        try:
            while True:
                message = json.loads((await self._from.readuntil(b"\0"))[:-1])
                if waiting := self._waiting.pop(message.get("id"), None):
                    waiting.set_result(message)
                else:
                    self._note(message["method"], message["params"])
        except asyncio.IncompleteReadError:
            for waiting in self._waiting.values():
                waiting.set_exception(ConnectionError("the browser has ended"))

    async def open(self) -> None:
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")

    def close(self) -> None:
        """The browser ends with its pipe."""
        self._to.close()

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        answer = self._waiting[self._sent] = asyncio.get_running_loop().create_future()
        self._to.write(json.dumps(message).encode() + b"\0")
        got = await answer
        assert "error" not in got, f"{method}: {got['error']}"
        return got["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise's once it is kept."""
        got = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, f"{script}: {got['exceptionDetails']}"
        return got["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait for the page to change so that `condition` holds."""
        await self.run(_UNTIL % condition)

    async def visit(self, url: str) -> None:
        await self._load("Page.navigate", url=url)

    async def reload(self) -> None:
        await self._load("Page.reload")

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of what is there."""
        x, y = await self.run(_MIDDLE % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def write(self, text: str) -> None:
        """Into what has the focus."""
        await self.send("Input.insertText", text=text)

    async def enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        await self.send("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    async def _load(self, method: str, **params: Any) -> None:
        self._loaded.clear()
        await self.send(method, **params)
        await self._loaded.wait()

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.said.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.said.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.said.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])


@asynccontextmanager
async def browsing(profile: Path) -> AsyncGenerator[Tab]:
    """A browser with a fresh `profile` and one tab."""
    assert CHROMIUM is not None
    command = ("sh", "-c", _PIPED, CHROMIUM, *_FLAGS, f"--user-data-dir={profile}")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=1 << 26)
    tab = Tab(process)
    listening = asyncio.create_task(tab.listen())
    try:
        await tab.open()
        yield tab
    finally:
        tab.close()
        await process.wait()
        await listening
