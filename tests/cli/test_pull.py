"""`moonbase pull` as it is typed, against a hub of the test's own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import Result

from moonbase.engines.opening import bundled_model
from tests.cli.pulling.hub import Hub, hub
from tests.cli.running_commands import typed
from tests.documents.live import serving

MODEL = bundled_model().read_bytes()
SECRET = "hf_very_secret"


@pytest.fixture
def served() -> Generator[Hub]:
    with hub() as up:
        up.add("owner/one/one.gguf", MODEL)
        up.add("owner/some/some-Q4_K_M.gguf", MODEL)
        up.add("owner/some/some-Q8_0.gguf", MODEL)
        up.add("owner/some/mmproj-some-F16.gguf", MODEL)
        up.add("owner/some/README.md", b"# some")
        up.add("owner/odd/a.gguf", MODEL)
        up.add("owner/odd/b.gguf", MODEL)
        up.add("owner/none/model.safetensors", b"x")
        for part in (1, 2):
            up.add(f"owner/parts/big-Q4_0-0000{part}-of-00002.gguf", MODEL)
        yield up


@pytest.fixture
def env(served: Hub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": served.api, "HF_TOKEN": SECRET, "MOONBASE_DATA_DIR": str(tmp_path)}


async def pulled(env: dict[str, str], *words: str) -> Result:
    done = await typed("pull", *words, env=env)
    assert SECRET not in done.output
    return done


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("owner/one", ["owner/one/one.gguf"]),
        ("owner/some", ["owner/some/some-Q4_K_M.gguf"]),
        ("owner/some:q8_0", ["owner/some/some-Q8_0.gguf"]),
        ("hf:owner/some/mmproj-some-F16.gguf", ["owner/some/mmproj-some-F16.gguf"]),
        (
            "owner/parts:Q4_0",
            ["owner/parts/big-Q4_0-00001-of-00002.gguf", "owner/parts/big-Q4_0-00002-of-00002.gguf"],
        ),
    ],
)
async def test_a_model_comes_into_the_store(env: dict[str, str], tmp_path: Path, name: str, files: list[str]) -> None:
    done = await pulled(env, name)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'models' / files[0]}\n"
    found = sorted((tmp_path / "models").rglob("*.gguf"))
    assert [path.relative_to(tmp_path / "models").as_posix() for path in found] == files
    assert all(path.read_bytes() == MODEL for path in found)
    assert f"serve it with: moonbase serve --model {files[0]}" in done.stderr


async def test_plain_lines_where_there_is_no_terminal(env: dict[str, str]) -> None:
    done = await pulled(env, "owner/one")
    assert "\r" not in done.stderr
    assert "\033" not in done.stderr
    assert "one.gguf: 8.5 MB\n" in done.stderr
    assert (await pulled(env, "owner/one", "--quiet", "--force")).stderr == ""


async def test_a_second_pull_says_so(env: dict[str, str]) -> None:
    await pulled(env, "owner/one")
    again = await pulled(env, "owner/one")
    assert again.exit_code == 0
    assert "it is there already; --force fetches it again" in again.stderr


async def test_any_address_and_a_checksum(env: dict[str, str], served: Hub) -> None:
    url = f"{served.bytes_at}/owner/one/one.gguf"
    digest = hashlib.sha256(MODEL).hexdigest()
    plain = await pulled(env, url)
    assert (plain.exit_code, f"no checksum was known to check it against; its SHA-256 is {digest}" in plain.stderr) == (
        0,
        True,
    )
    right = await pulled(env, url, "--sha256", digest.upper(), "--force", "--json")
    assert json.loads(right.stdout)[0]["checked"]
    wrong = await pulled(env, url, "--sha256", "0" * 64)
    assert (wrong.exit_code, "expected 0000" in wrong.stderr) == (1, True)


async def test_what_a_repository_has(env: dict[str, str]) -> None:
    done = await pulled(env, "owner/some", "--files")
    assert done.stdout.splitlines() == [
        "owner/some/mmproj-some-F16.gguf  8.5 MB",
        "owner/some/some-Q4_K_M.gguf      8.5 MB",
        "owner/some/some-Q8_0.gguf        8.5 MB",
    ]


async def test_what_is_here(env: dict[str, str], tmp_path: Path) -> None:
    assert "no models in" in (await pulled(env, "--list")).stdout
    await pulled(env, "owner/one")
    (tmp_path / "models" / "mine.gguf").write_bytes(MODEL)
    (tmp_path / "models" / "torn.gguf.part").write_bytes(MODEL[:1000])
    assert (await pulled(env, "--list")).stdout.splitlines() == [
        "mine.gguf           8.5 MB  not pulled",
        "owner/one/one.gguf  8.5 MB  checksum right",
        "torn.gguf           1.0 kB  torn, pull it again",
    ]
    listed = json.loads((await pulled(env, "--list", "--json")).stdout)
    assert [row["name"] for row in listed] == ["mine.gguf", "owner/one/one.gguf"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "a model is needed"),
        (("model",), 2, "names no model"),
        (("owner/one", "--sha256", "abc"), 2, "--sha256 is 64 hexadecimal digits"),
        (("owner/parts", "--sha256", "0" * 64), 2, "is 2 files; --sha256 is for one"),
        (("https://host.example/a.gguf", "--files"), 2, "--files goes with a repository"),
        (("owner/odd",), 1, "owner/odd has several models; name one of them: a.gguf, b.gguf"),
        (("owner/some:Q5_0",), 3, "there is no quantization 'Q5_0'; there is some-Q4_K_M.gguf, some-Q8_0.gguf"),
        (("owner/none",), 3, "owner/none has no GGUF files"),
        (("owner/nowhere",), 3, "there is no repository owner/nowhere"),
        (("hf:owner/one/two.gguf",), 3, "has no file 'two.gguf'; it has one.gguf"),
        (("owner/one", "--revision", "v9"), 3, "has no revision 'v9'"),
    ],
)
async def test_what_goes_wrong_is_one_line(env: dict[str, str], words: tuple[str, ...], code: int, said: str) -> None:
    done = await pulled(env, *words)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    assert said in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


async def test_a_host_that_is_no_hub_and_refuses_is_not_sent_the_hubs_token(env: dict[str, str], served: Hub) -> None:
    served.statuses = [401]
    done = await pulled(env, f"{served.bytes_at}/owner/one/one.gguf")
    assert done.exit_code == 3
    assert "(status 401); fetch it by other means, and give its path to --model" in done.stderr
    assert "HF_TOKEN" not in done.stderr


async def test_no_network(env: dict[str, str]) -> None:
    done = await pulled({**env, "HF_ENDPOINT": "http://127.0.0.1:1"}, "owner/one")
    assert done.exit_code == 3
    assert "is there a network? HF_ENDPOINT names a mirror" in done.stderr
    assert (await pulled({**env, "HF_ENDPOINT": "nonsense"}, "owner/one")).exit_code == 2


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_pull_that_is_stopped_goes_on(
    served: Hub, env: dict[str, str], tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    served.hold = threading.Event()
    command = [sys.executable, "-m", "moonbase", "pull", "owner/one"]
    process = subprocess.Popen(command, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True)
    assert served.halfway.wait(60)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    if sent == signal.SIGINT:
        assert said.endswith("run the same command again to go on\nmoonbase pull: stopped\n")
    served.hold.set()
    part = tmp_path / "models" / "owner" / "one" / "one.gguf.part"
    there = part.stat().st_size if part.exists() else 0
    served.asked.clear()
    subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True, timeout=60)
    assert served.requests("bytes")[0].get("range") == (f"bytes={there}-" if there else None)
    assert (tmp_path / "models" / "owner" / "one" / "one.gguf").read_bytes() == MODEL


async def test_serve_finds_what_was_pulled(env: dict[str, str], tmp_path: Path) -> None:
    await pulled(env, "owner/some:Q8_0")
    with serving(tmp_path, "--model", "owner/some:Q8_0") as live:
        assert live.process.stdout is not None
        assert "kimi-k2.6" in live.process.stdout.readline()
