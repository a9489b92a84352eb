"""Where a server keeps what must last: keys, books, files, indexes, models; also for commands that need no server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from moonbase.contract.errors import SettingsError


def default_data_dir() -> Path:
    """`MOONBASE_DATA_DIR`, else the user's data folder (XDG base directory specification). Raises `SettingsError` for
    a user who has none, as in a container that runs under a number."""
    if chosen := os.environ.get("MOONBASE_DATA_DIR"):
        return Path(chosen)
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise SettingsError("this user has no home folder; name a data directory in MOONBASE_DATA_DIR") from None
    return Path(base) / "moonbase"


def prepare_data_dir(path: Path) -> Path:
    """Create the data directory and prove that it can be written; raises `SettingsError`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-") as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
            os.fsync(probe.fileno())
    except PermissionError as error:
        who = f" by user {os.geteuid()} of group {os.getegid()}" if os.name == "posix" else ""
        raise SettingsError(
            f"the data directory {path} cannot be written{who}: {error.strerror}. "
            "Give it to that user, or choose another with --data-dir"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"the data directory {path} cannot be written: {error.strerror}. "
            "Free some space, or choose another with --data-dir"
        ) from error
    return path
