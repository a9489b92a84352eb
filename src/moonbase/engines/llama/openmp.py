"""OpenMP's runtime, which the wheel of llama.cpp needs and does not bring.

Minimal systems have none: a bare Debian, the slim images of Python. The wheel of sentencepiece brings the same one for
itself, and lends it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

NAME = "libgomp.so.1"
ADVICE = "install it with: apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora)"
_LENDER = "sentencepiece"
_FOLDER = "MOONBASE_OPENMP"
"""The environment's name of a folder that is there for this process alone."""


def provide() -> None:
    """Begin this process anew with a runtime that is found, where the system has none; call it first.

    The loader reads where to look when a process begins, and not again. Where there is none to lend, whoever needs it
    fails and says so.
    """
    if not sys.platform.startswith("linux") or _found():
        if folder := os.environ.pop(_FOLDER, None):
            shutil.rmtree(folder, ignore_errors=True)
        return
    lent = _lent()
    if lent is None or _FOLDER in os.environ:
        return
    try:
        folder = tempfile.mkdtemp(prefix="moonbase-openmp-")
        Path(folder, NAME).symlink_to(lent)
    except OSError:
        return
    places = os.pathsep.join(filter(None, (folder, os.environ.get("LD_LIBRARY_PATH"))))
    more = {_FOLDER: folder, "LD_LIBRARY_PATH": places}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | more)


def _found() -> bool:
    try:
        ctypes.CDLL(NAME)
    except OSError:
        return False
    return True


def _lent() -> Path | None:
    """The runtime in the lender's wheel; auditwheel has put a digest into its name."""
    try:
        held = files(_LENDER) or []
    except PackageNotFoundError:
        return None
    found = [Path(str(file.locate())).resolve() for file in held if file.name.startswith("libgomp")]
    return next((path for path in found if path.is_file()), None)
