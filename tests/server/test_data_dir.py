"""Where what must last is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from moonbase.contract.errors import SettingsError
from moonbase.server.data_dir import default_data_dir


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container that runs under a number that nobody knows: `Path.home` raises `RuntimeError`."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("MOONBASE_DATA_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(SettingsError, match="MOONBASE_DATA_DIR"):
        default_data_dir()
    monkeypatch.setenv("MOONBASE_DATA_DIR", str(tmp_path))
    assert default_data_dir() == tmp_path
