"""A reader who tries what a page shows, block by block: programs, files, commands."""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from moonbase.cli.main import main
from tests.docs.commands import lines_of
from tests.docs.pages import Block, Page, blocks
from tests.documents.live import KEY, Live
from tests.testing.installed import install_plugin

BASE_URL = "http://127.0.0.1:8000/v1"
_UNTRIED = {".", "make", "pip", "npm", "cd", "export", "git", "ls", "cat"}
"""Commands that set something up, which is done already, or that never end."""


@dataclass
class Reader:
    """`folder` is where files are put, `live` the server that stands in for the one of the page. `printed` has each
    block that claims what was printed, with what really was."""

    live: Live
    folder: Path
    printed: list[tuple[Block, str]] = field(default_factory=list[tuple[Block, str]])

    def read(self, page: Page) -> None:
        """Try every block of the page, in order; raises where one fails."""
        said = ""
        for block in blocks(page):
            if "printed" in block.marks:
                self.printed.append((block, said))
            elif "not run" not in block.marks:
                tried = self._tried(block)
                said = said if tried is None else tried

    def _tried(self, block: Block) -> str | None:
        """What the block printed; None where it is nothing to run."""
        text = block.text.replace(BASE_URL, self.live.base_url)
        if name := block.marks.get("as"):
            (self.folder / name).write_text(text)
            return None
        if block.language == "python":
            (self.folder / "block.py").write_text(text)
            return self._program("block.py", [])
        if block.language == "sh":
            outputs = [said for words in lines_of(text) if (said := self._command(words)) is not None]
            return "".join(outputs) if outputs else None
        return None

    def _command(self, words: list[str]) -> str | None:
        if words[0] == "python" and words[1].endswith(".py"):
            return self._program(words[1], words[2:])
        if words[0] == "moonbase" and words[1:2] != ["serve"]:
            with self._place(words):
                done = CliRunner().invoke(main, words[1:], prog_name="moonbase")
            assert done.exit_code == 0, f"{words}: {done.output}"
            return done.stdout
        if words[0] == "pytest":
            return self._pytest(words[1:])
        if words[0] == "curl":
            if shutil.which("curl") is None:
                pytest.skip("what the page shows needs curl, which is not here")
            quiet = ["curl", "--silent", "--show-error", *words[1:]]
            return subprocess.run(quiet, capture_output=True, text=True, timeout=60, check=True).stdout
        assert words[0] in _UNTRIED or words[:2] == ["moonbase", "serve"], f"nobody has tried {words}"
        return None

    def _pytest(self, arguments: list[str]) -> str:
        environment = {**os.environ, "PYTHONPATH": install_plugin(self.folder)}
        options = ["-q", "-W", "error", "-p", "no:schemathesis", "-p", "no:asyncio"]
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def _program(self, name: str, arguments: list[str]) -> str:
        with self._place([name, *arguments]), redirect_stdout(io.StringIO()) as output:
            runpy.run_path(name, run_name="__main__")
        return output.getvalue()

    @contextmanager
    def _place(self, arguments: list[str]) -> Generator[None]:
        """The folder, arguments and environment that a program of the page would have."""
        before, environment, argv = Path.cwd(), dict(os.environ), sys.argv
        os.chdir(self.folder)
        os.environ.update(MOONSHOT_BASE_URL=self.live.base_url, MOONSHOT_API_KEY=KEY)
        sys.argv = list(arguments)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = argv
