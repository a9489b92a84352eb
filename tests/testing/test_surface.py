"""What `moonbase.testing` offers, and what it costs who only has it installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import moonbase.testing


def test_the_public_names_have_docstrings() -> None:
    assert dir(moonbase.testing) == ["Request", "ScriptError", "Server"]
    assert all((getattr(moonbase.testing, name).__doc__ or "").strip() for name in dir(moonbase.testing))
    with pytest.raises(AttributeError, match=r"module 'moonbase.testing' has no attribute 'Servers'"):
        _ = moonbase.testing.Servers  # pyright: ignore


def test_what_to_install_is_said() -> None:
    code = "import sys; sys.modules['starlette'] = None; from moonbase.testing import Server"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "moonbase.testing needs the package starlette"
    assert said in done.stderr.splitlines()[-1] and "pip install 'moonbase[serve]'" in done.stderr
