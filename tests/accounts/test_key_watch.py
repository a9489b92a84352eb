"""Keys that come and go with their file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from moonbase.accounts.key_watch import EVERY_S, KeyWatch
from moonbase.accounts.keys import KeyRing
from moonbase.contract.errors import InvalidAuthentication


def lets_in(ring: KeyRing, key: str) -> bool:
    try:
        ring.authenticate(f"Bearer {key}")
    except InvalidAuthentication:
        return False
    return True


class Looks:
    """Counts the pauses between looks, and lets them end one by one."""

    def __init__(self) -> None:
        self.begun, self._go = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def pause(self, seconds: float) -> None:
        assert seconds == EVERY_S
        self.begun.release()
        await self._go.acquire()

    async def one(self) -> None:
        self._go.release()
        await self.begun.acquire()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text("sk-one\n")
    return path


def watched(path: Path) -> tuple[KeyRing, KeyWatch]:
    ring = KeyRing(["sk-own", "sk-one"])
    return ring, KeyWatch(ring, path, ["sk-own"])


async def test_keys_are_taken_and_lost_while_the_server_runs(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ring, looks = KeyRing(["sk-own", "sk-one"]), Looks()
    watch = KeyWatch(ring, path, ["sk-own"], pause=looks.pause)
    await watch.start()
    await looks.begun.acquire()
    await asyncio.to_thread(path.write_text, "# new ones\nsk-two\nsk-three\n")
    await looks.one()
    assert not lets_in(ring, "sk-two"), "it may be half written"
    await looks.one()
    assert [lets_in(ring, key) for key in ("sk-own", "sk-one", "sk-two", "sk-three")] == [True, False, True, True]
    assert caplog.messages == ["the key file has changed: 2 keys are new, 1 no longer valid"]
    await watch.close()


def test_a_file_that_is_still_written_waits(path: Path) -> None:
    ring, watch = watched(path)
    for text in ("sk-tw", "sk-two\nsk-thr", "sk-two\nsk-three\n"):
        path.write_text(text)
        watch.look()
        assert not lets_in(ring, text)
    watch.look()
    assert [lets_in(ring, key) for key in ("sk-one", "sk-tw", "sk-two", "sk-three")] == [False, False, True, True]


@pytest.mark.parametrize("text", ["", "# none\n", "\udcff"])
def test_a_file_that_is_wrong_changes_nothing(path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    ring, watch = watched(path)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for _ in range(3):
        watch.look()
    assert [lets_in(ring, key) for key in ("sk-own", "sk-one", "sk-two")] == [True, True, False]
    assert [message.split(":")[0] for message in caplog.messages] == ["the keys stay as they were"], "said once"


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(path: Path) -> None:
    ring, watch = watched(path)
    path.unlink()
    for _ in range(3):
        watch.look()
    assert lets_in(ring, "sk-one")
    path.write_text("sk-two\n")
    for _ in range(2):
        watch.look()
    assert [lets_in(ring, key) for key in ("sk-one", "sk-two")] == [False, True]


def test_a_link_to_another_file_is_seen(path: Path, tmp_path: Path) -> None:
    """As Kubernetes changes a secret that is mounted."""
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(path)
    other.write_text("sk-two\n")
    ring, watch = watched(link)
    link.unlink()
    link.symlink_to(other)
    for _ in range(2):
        watch.look()
    assert [lets_in(ring, key) for key in ("sk-one", "sk-two")] == [False, True]


def test_a_ring_never_opens(path: Path) -> None:
    ring = KeyRing(["sk-one"])
    with pytest.raises(ValueError, match="let everybody in"):
        ring.hold([])
    assert not ring.open
