"""docs/clients.md: what it shows of the client that this project has, runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.documents.live import Live

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
BASE_URL = "http://127.0.0.1:8000/v1"


def test_the_python_example_runs(scripted: Live) -> None:
    section = PAGE.read_text().split("## openai for Python\n")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found and BASE_URL in found.group(1)
    program = found.group(1).replace(BASE_URL, scripted.base_url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "I am the scripted engine. I read this and answer.You said: Hello.\n 46 tokens\n"
