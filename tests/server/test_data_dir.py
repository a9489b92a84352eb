"""Where what must last is kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from moonbase.contract.errors import SettingsError
from moonbase.server.data_dir import default_data_dir, prepare_data_dir


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


def test_a_user_who_may_not_write_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A volume of another user, under a container."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    who = f"by user {os.geteuid()} of group {os.getegid()}: Permission denied. Give it to that user"
    with pytest.raises(SettingsError, match=who):
        prepare_data_dir(tmp_path)
