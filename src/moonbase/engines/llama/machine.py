"""What of this machine the process may use: a container or a service may have less than there is (control groups)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_GROUPS = Path("/sys/fs/cgroup")
_MINE = Path("/proc/self/cgroup")
_NO_BOUND = 1 << 60
"""As many bytes as version 1 writes where there is none, or more."""


class Share(NamedTuple):
    """What the control groups leave to the process; None where they leave all of it. `memory` is in bytes."""

    processors: float | None = None
    memory: int | None = None


def processors() -> int:
    """Processors that the process may keep busy, 1 at least."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = share().processors
    return there if allowed is None else max(1, min(there, math.ceil(allowed)))


def main_memory() -> int | None:
    """Bytes of main memory that the process may use; None where the system does not tell."""
    sizes = [size for size in (physical_memory(), share().memory) if size is not None]
    return min(sizes, default=None)


def physical_memory() -> int | None:
    """Bytes of main memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def share(groups: Path = _GROUPS, mine: Path = _MINE) -> Share:
    """`groups` is where the control groups are (version 2 or 1), `mine` says in which of them the process is. Of those
    and all around them the tightest bound holds."""
    allowed: list[float] = []
    sizes: list[int] = []
    for folder in _folders(groups, mine):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            allowed.append(quota / period)
        found = (_number(folder / name) for name in ("memory.max", "memory.limit_in_bytes"))
        sizes += (size for size in found if 0 < size < _NO_BOUND)
    return Share(min(allowed, default=None), min(sizes, default=None))


def _folders(groups: Path, mine: Path) -> Iterator[Path]:
    try:
        lines = mine.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        names = controllers.split(",")
        if not controllers:
            tops = [groups]
        elif "cpu" in names or "memory" in names:
            tops = [groups / controllers, *(groups / name for name in names)]
        else:
            continue
        # A container sees its own group at the top, whatever the path says.
        inner = [path.strip("/"), *map(str, Path(path.strip("/")).parents)]
        yield from dict.fromkeys(top / each for top in tops for each in inner)


def _quota(folder: Path) -> tuple[int, int]:
    """Microseconds of processor time in a period of so many; not above 0 where there is no bound."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return (0 if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        return _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _number(path: Path) -> int:
    """What stands in the file; 0 where that is no number."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
