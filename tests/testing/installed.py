"""What pip would have told pytest of this package: the environment may have been made before its plugin was."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def install_plugin(folder: Path) -> str:
    """Put into `folder` what offers the plugins of pyproject.toml to a pytest with the PYTHONPATH that is returned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["pytest11"].items())
    info = folder / "moonbase_plugin-0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moonbase-plugin\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{points}")
    return os.pathsep.join([str(folder), str(ROOT / "src")])
