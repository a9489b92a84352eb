"""What of the machine is the process's: control groups of version 2 and 1, as containers and services have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from moonbase.engines.llama.machine import Share, main_memory, physical_memory, processors, share

GIB = 1 << 30
NO_BOUND = "9223372036854771712"


def found(folder: Path, mine: str, files: dict[str, str]) -> Share:
    for name, text in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (folder / "mine").write_text(mine)
    return share(folder / "groups", folder / "mine")


@pytest.mark.parametrize(
    ("mine", "files", "expected"),
    [
        ("0::/\n", {"memory.max": str(GIB), "cpu.max": "150000 100000"}, Share(1.5, GIB)),
        ("0::/\n", {"memory.max": "max", "cpu.max": "max 100000"}, Share()),
        (
            "0::/system.slice/moonbase.service\n",
            {"system.slice/memory.max": str(GIB), "system.slice/moonbase.service/memory.max": str(2 * GIB)},
            Share(None, GIB),
        ),
        (
            "0::/kubepods/pod1/abc\n",
            {"memory.max": str(GIB), "cpu.max": "50000 100000"},  # seen from inside, where that path is not
            Share(0.5, GIB),
        ),
        (
            "5:cpu,cpuacct:/box\n4:memory:/box\n1:name=systemd:/box\n0::/\n",
            {
                "cpu,cpuacct/box/cpu.cfs_quota_us": "200000",
                "cpu,cpuacct/box/cpu.cfs_period_us": "100000",
                "memory/box/memory.limit_in_bytes": str(GIB),
                "memory/memory.limit_in_bytes": NO_BOUND,
                "name=systemd/box/memory.max": "1",
            },
            Share(2, GIB),
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, Share()),
        ("no groups\n::\n", {}, Share()),
    ],
)
def test_the_tightest_bound_holds(tmp_path: Path, mine: str, files: dict[str, str], expected: Share) -> None:
    assert found(tmp_path, mine, files) == expected


def test_without_control_groups_all_of_the_machine_is_there(tmp_path: Path) -> None:
    assert share(tmp_path / "none", tmp_path / "nothing") == Share()


def test_this_machine_has_something() -> None:
    assert processors() >= 1
    whole, mine = physical_memory(), main_memory()
    assert whole is not None
    assert mine is not None
    assert 0 < mine <= whole
