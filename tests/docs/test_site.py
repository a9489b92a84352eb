"""`make docs`: the site builds without a warning, and one is an error."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import moonbase
import moonbase.contract.events as contract_events
from tests.docs.pages import ROOT, page

SDK = "docs/reference/sdk.md"
PYTHON = ROOT / ".venv-docs" / "bin" / "python"
PARTS = ("docs", "deploy", "src", "scripts", "zensical.toml", "tests/tools", "models/nano/README.md")


def test_the_reference_has_every_public_name() -> None:
    shown = set(re.findall(r"^::: moonbase\.(\w+)$", page(SDK).text, re.MULTILINE))
    elsewhere = set(re.findall(r"^::: moonbase\.(\w+)$", page("docs/reference/contract.md").text, re.MULTILINE))
    assert shown | elsewhere == set(moonbase.__all__) - {"__version__", "events"}


def test_the_reference_has_every_event() -> None:
    members = re.search(r"^::: moonbase.agent.events\n.*?members: \[(.*?)\]", page(SDK).text, re.MULTILINE | re.DOTALL)
    assert members
    of_the_contract = set(vars(contract_events))
    shown = {*members[1].split(", "), *of_the_contract, "AgentEvent"}
    assert set(moonbase.events.__all__) - shown == set()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of the repository as the site is made of."""
    if not PYTHON.exists():
        pytest.skip("the site's generator is not installed: make docs")
    for part in PARTS:
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        copy(ROOT / part, tmp_path / part)
    return tmp_path


def built(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "scripts/docs.py"]
    environment = {"MOONBASE_PYTHON": str(ROOT / ".venv" / "bin" / "python"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_site_builds(checkout: Path) -> None:
    done = built(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    site = checkout / "build" / "site"
    assert "A model with instructions and tools" in (site / "reference" / "sdk.html").read_text()
    assert "HTTP API on this machine." in (site / "reference" / "cli.html").read_text()
    assert (site / "source" / "tests" / "tools" / "sandbox" / "test_attacks.py").exists()


WRONG = {
    "[gone](absent.md)": "page does not exist",
    "[gone](server.md#absent)": "anchor does not exist",
    "[gone][moonbase.Absent]": "unresolved",
    "::: invented.walk": "Parameter 'fast' does not appear",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_warnings_fail_it(checkout: Path) -> None:
    (checkout / "src" / "invented.py").write_text(
        'def walk(far: int) -> None:\n    """Walk.\n\n    Args:\n        fast: Not there.\n    """\n'
    )
    (checkout / "docs" / "index.md").write_text("\n\n".join(["# Moonbase", *WRONG]))
    (checkout / "docs" / "reference" / "cli.md").write_text("# Without the commands, which take long\n")
    done = built(checkout)
    assert done.returncode == 1
    assert [said for said in WRONG.values() if said not in done.stderr] == []
