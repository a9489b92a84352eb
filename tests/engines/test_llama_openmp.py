"""OpenMP's runtime where the system has none: a name that no system has stands for the one that is missing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from moonbase.engines.llama import openmp
from moonbase.engines.llama.child import child_environment

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems bring it")

PROGRAM = """
import ctypes, os, sys
from moonbase.engines.llama import openmp
openmp.NAME = {name!r}
if {lender!r}:
    openmp._LENDER = {lender!r}
openmp.provide()
print(sys.argv[1:], openmp._FOLDER in os.environ, flush=True)
print(bool(ctypes.CDLL({name!r}).omp_get_max_threads()))
"""
MISSING = "libgomp-nowhere.so.1"


def run(place: Path, name: str, lender: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(name=name, lender=lender), "--word", "two words"]
    environment = child_environment(TMPDIR=str(place))
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


def test_what_the_lender_brings_is_found_and_no_folder_stays(tmp_path: Path) -> None:
    ended = run(tmp_path, MISSING)
    assert (ended.stdout.splitlines(), ended.stderr) == (["['--word', 'two words'] False", "True"], "")
    assert list(tmp_path.iterdir()) == []


def test_without_a_lender_it_goes_on_and_whoever_needs_it_fails(tmp_path: Path) -> None:
    ended = run(tmp_path, MISSING, lender="nobody-has-this")
    assert "['--word', 'two words'] False" in ended.stdout
    assert f"{MISSING}: cannot open shared object file" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_has_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "NAME", "libc.so.6")
    monkeypatch.setattr(tempfile, "mkdtemp", None)
    openmp.provide()
