"""The machine: Python, packages, the clock, disk and memory."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moonbase import __version__
from moonbase.cli.doctoring.check import Check, Finding, Scene, blocking, fail, ok, warn
from moonbase.engines.llama.machine import physical_memory, share

OLDEST = (3, 11)
_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_REQUIREMENT = re.compile(r"""([\w.-]+)\s*([^;]*?)\s*(?:;.*extra\s*==\s*['"]([\w-]+)['"])?\s*$""")
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([\d.]+)")
_GROUPS = ("mcp", "live-search", "upstream")
"""Extras that a server can do without; `llama` and `sandbox` have checks of their own."""
_GIB = 1 << 30


def _python(_: Scene) -> Finding:
    said = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < OLDEST:
        return fail(said, f"Moonbase needs Python {'.'.join(map(str, OLDEST))} or newer")
    if sys.platform == "win32":
        return warn(said, "the sandbox and some limits need Linux or macOS; use WSL 2")
    return ok(said)


Versions = Callable[[str], str | None]


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages(_: Scene) -> Finding:
    try:
        required = importlib.metadata.requires("moonbase") or []
    except importlib.metadata.PackageNotFoundError:
        return warn(f"moonbase {__version__} runs from its source; its requirements are not known", "pip install -e .")
    return packages(required, installed)


def packages(required: Iterable[str], version_of: Versions) -> Finding:
    """`required` as in a package's metadata: what every server needs must be there and in its range."""
    wanted = [found.groups() for line in required if (found := _REQUIREMENT.match(line))]
    wrong: list[str] = []
    count = 0
    for name, bounds, extra in wanted:
        have = version_of(name)
        if extra not in (None, "serve") and have is None:
            continue
        count += 1
        if have is None:
            wrong.append(f"{name} is missing")
        elif not within(have, bounds):
            wrong.append(f"{name} {have} is not {bounds}")
    if wrong := sorted(set(wrong)):
        return fail("; ".join(wrong), "pip install --upgrade 'moonbase[serve,llama]'")
    absent = [extra for extra in _GROUPS if any(of == extra and version_of(name) is None for name, _, of in wanted)]
    also = f"; without {', '.join(f'moonbase[{extra}]' for extra in absent)}" if absent else ""
    return ok(f"moonbase {__version__}, {len({name for name, *_ in wanted if version_of(name)})} packages{also}")


def within(version: str, bounds: str) -> bool:
    """Whether a version is in a range such as ">=1.0.1,<1.1", by its numbers alone."""
    have = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        want = _numbers(text)
        compared = (have > want) - (have < want)
        if not {">=": compared >= 0, "<=": compared <= 0, "==": compared == 0, "<": compared < 0, ">": compared > 0}[
            sign
        ]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = [int(part) for part in re.findall(r"\d+", re.split(r"[a-zA-Z+]", version)[0])]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _clock(_: Scene) -> Finding:
    return clock(time.time())


def clock(now: float) -> Finding:
    """`now` is in seconds of Unix time."""
    local = datetime.fromtimestamp(now).astimezone()
    said = f"{local:%Y-%m-%d %H:%M:%S}, time zone {local.tzname()} (UTC{local:%z})"
    if local < _WRITTEN:
        return fail(said, "the clock is wrong, so certificates and dates will be; set it, or start a time service")
    try:
        ZoneInfo("Asia/Shanghai")
    except ZoneInfoNotFoundError:
        return warn(f"{said}; no time zones are installed", "pip install tzdata; the date tool needs it")
    return ok(said)


def _disk(scene: Scene) -> Finding:
    place = existing(scene.data_dir)
    return disk(place, shutil.disk_usage(place).free)


def disk(place: Path, free: int) -> Finding:
    """`free` is in bytes."""
    said = f"{free / _GIB:.1f} GiB free at {place}"
    if free < _GIB // 8:
        return fail(said, "free some space, or choose another folder with --data-dir")
    if free < 2 * _GIB:
        return warn(said, "models and uploaded files need room; free some space")
    return ok(said)


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _memory(_: Scene) -> Finding:
    return memory(physical_memory(), limit=share().memory)


def memory(whole: int | None, *, limit: int | None) -> Finding:
    """In bytes; `limit` is the container's."""
    bounds = [size for size in (whole, limit) if size]
    if not bounds:
        return ok("the system does not tell")
    size = min(bounds)
    said = f"{size / _GIB:.1f} GiB{' (the limit of this container)' if limit and size == limit else ''}"
    return (
        ok(said) if size >= _GIB else warn(said, "the server with the bundled model needs about 0.5 GiB; give it more")
    )


CHECKS = (
    Check("python", blocking(_python)),
    Check("packages", blocking(_packages)),
    Check("clock", blocking(_clock)),
    Check("disk", blocking(_disk)),
    Check("memory", blocking(_memory)),
)
