"""`moonbase serve` as a process: what it says, what it refuses, how it leaves."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from moonbase.contract.errors import SettingsError
from moonbase.server.app import App
from moonbase.server.listen import Listener, bind, url_of
from tests.documents.live import Live, serving
from tests.running import make_platform

SCRIPTED = ("--engine", "scripted")


def refused(*arguments: str, before: Callable[[], None] | None = None) -> str:
    """What `moonbase serve` says on standard error when it refuses to start: one line, exit code 2."""
    command = [sys.executable, "-m", "moonbase", "serve", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, preexec_fn=before)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def ask(live: Live, text: str, *, key: str = "sk-x", **extra: object) -> urllib.request.Request:
    body = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": text}], **extra}
    return urllib.request.Request(
        f"{live.base_url}/chat/completions", json.dumps(body).encode(), {"Authorization": f"Bearer {key}"}
    )


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_it_says_what_it_serves_and_that_any_key_will_do(tmp_path: Path) -> None:
    with serving(tmp_path, *SCRIPTED) as live:
        assert live.process.stdout is not None
        rest = [live.process.stdout.readline() for _ in range(4)]
        with urllib.request.urlopen(rest[2].removeprefix("  try it").strip()) as page:
            assert "<title>Moonbase playground</title>" in page.read().decode()
    assert "kimi-k2.6" in rest[0]
    assert "scripted (scripted)" in rest[1]
    assert "any non-empty key is accepted, from this machine only" in rest[3]


def test_it_can_leave_the_playground_out_and_names_the_pages_that_may_use_it(tmp_path: Path) -> None:
    with serving(tmp_path, *SCRIPTED, "--no-playground", "--allow-origin", "https://app.example") as live:
        asked = {"Authorization": "Bearer k", "Origin": "https://app.example"}
        with urllib.request.urlopen(urllib.request.Request(f"{live.base_url}/models", headers=asked)) as answer:
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
        page = f"{live.base_url.removesuffix('/v1')}/playground"
        assert status_of(urllib.request.Request(page, headers={"Authorization": "Bearer k"})) == 404


def test_what_is_no_origin_is_named_at_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "moonbase", "serve", "--port", "0", "--allow-origin", "app.example"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "'app.example' is no origin" in done.stderr


def test_it_says_whether_programs_can_run(tmp_path: Path) -> None:
    with serving(tmp_path, *SCRIPTED) as live:
        assert live.process.stdout is not None
        rest = [live.process.stdout.readline() for _ in range(6)]
    assert rest[4].startswith("  tools    quickjs")
    assert rest[5].startswith("  tools    code_runner")


def test_the_configuration_can_leave_the_runners_of_code_out(tmp_path: Path) -> None:
    config = tmp_path / "moonbase.toml"
    config.write_text("[tools]\ncode = false\n")
    with serving(tmp_path, *SCRIPTED, "--config", str(config)) as live:
        path = f"{live.base_url}/formulas/moonshot/quickjs:latest/tools"
        assert status_of(urllib.request.Request(path, headers={"Authorization": "Bearer k"})) == 404


CHAOS = """
[engines.bad]
kind = "chaos"
chaos = { seed = 7, refused = 1.0, failed = 0.0, ended = 0.0, raised = 0.0 }
"""


def test_a_chaos_engine_says_what_it_is(tmp_path: Path) -> None:
    config = tmp_path / "moonbase.toml"
    config.write_text(CHAOS)
    with serving(tmp_path, "--config", str(config)) as live:
        assert live.process.stdout is not None
        rest = [live.process.stdout.readline() for _ in range(3)]
        assert status_of(ask(live, "Hi.")) in (429, 503)
    assert "bad (chaos)" in rest[1]
    assert rest[2].startswith("  chaos    bad is a test double")


def test_a_key_on_the_command_line_is_the_only_one_accepted(tmp_path: Path) -> None:
    with serving(tmp_path, *SCRIPTED, "--api-key", "sk-good", "--api-key", "sk-other") as live:
        for key in ("sk-good", "sk-other"):
            with urllib.request.urlopen(ask(live, "Hi.", key=key)) as answer:
                assert answer.status == 200
        assert status_of(ask(live, "Hi.", key="sk-bad")) == 401


def test_keys_and_the_address_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container gets them; neither stands in the list of processes."""
    monkeypatch.setenv("MOONBASE_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("MOONBASE_API_KEYS", "")
    assert "Set MOONBASE_API_KEYS" in refused(*SCRIPTED, "--data-dir", str(tmp_path))
    monkeypatch.setenv("MOONBASE_API_KEYS", " sk-good  sk-other\n")
    with serving(tmp_path, *SCRIPTED) as live:
        assert "//0.0.0.0:" in live.base_url
        assert [status_of(ask(live, "Hi.", key=key)) for key in ("sk-good", "sk-other", "sk-bad")] == [200, 200, 401]


def test_ctrl_c_leaves_at_once_when_idle(tmp_path: Path) -> None:
    with serving(tmp_path, *SCRIPTED) as live:
        began = time.perf_counter()
        live.process.send_signal(signal.SIGINT)
        assert live.process.wait(5) == 0
        assert time.perf_counter() - began < 5


def test_sigterm_leaves_as_ctrl_c_does(tmp_path: Path) -> None:
    """What was charged a moment ago is in the books, and no write-ahead log is left behind."""
    with serving(tmp_path, *SCRIPTED) as live:
        with urllib.request.urlopen(ask(live, "Hi.")) as answer:
            told = json.loads(answer.read())["usage"]
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(5) == 0
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as books:
        rows = books.execute("SELECT requests, prompt_tokens, completion_tokens FROM usage").fetchall()
    assert rows == [(1, told["prompt_tokens"], told["completion_tokens"])]
    assert not list(tmp_path.glob("*.db-wal"))


def test_sigterm_is_heard_while_an_engine_is_awaited(tmp_path: Path) -> None:
    """As the first process of a container it would be lost else: the kernel spares that one what it does not handle."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        words = ("--port", "0", "--data-dir", str(tmp_path), "--upstream", url)
        command = [sys.executable, "-m", "moonbase", "serve", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            asked, _ = silent.accept()
            with asked:
                process.send_signal(signal.SIGTERM)
                said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, ("", ""))


def test_a_server_that_lingers_takes_requests_while_its_health_says_that_it_leaves(tmp_path: Path) -> None:
    """So that a balancer sends them elsewhere before anybody is refused. A second signal ends it."""
    config = tmp_path / "moonbase.toml"
    config.write_text("[server]\nlinger_s = 60\n")
    with serving(tmp_path / "data", *SCRIPTED, "--config", str(config)) as live:
        health = urllib.request.Request(f"{live.base_url.removesuffix('/v1')}/health")
        assert status_of(health) == 200
        live.process.send_signal(signal.SIGTERM)
        while status_of(health) == 200:
            pass
        assert status_of(ask(live, "Hi.")) == 200
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(10) == 0


def test_a_server_that_has_lingered_leaves(tmp_path: Path) -> None:
    config = tmp_path / "moonbase.toml"
    config.write_text("[server]\nlinger_s = 0.1\n")
    with serving(tmp_path / "data", *SCRIPTED, "--config", str(config)) as live:
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(10) == 0


def test_others_on_the_machine_read_nothing_that_is_written(tmp_path: Path) -> None:
    """In a folder that is open to them; what SQLite keeps beside its files holds the same texts."""
    tmp_path.chmod(0o755)
    with serving(tmp_path, *SCRIPTED) as live:
        remember = 'Call the tool `memory` with these JSON arguments: {"action": "store", "key": "a", "data": {"b": 1}}'
        with urllib.request.urlopen(ask(live, remember, formulas=["moonshot/memory:latest"])) as answer:
            assert answer.status == 200
        written = {str(path.relative_to(tmp_path)): path.stat() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"ledger.db", "recall.db-wal", "files.db-wal", "memory.db", "search.db", "seal.key"} <= set(written)
    assert [name for name, status in written.items() if status.st_mode & 0o077] == []


def test_ctrl_c_leaves_within_five_seconds_amid_a_stream(tmp_path: Path) -> None:
    """The stream in flight ends with a finish reason, not with a silent cut."""
    config = tmp_path / "moonbase.toml"
    config.write_text('[engines.slow]\nkind = "scripted"\npace_s = 0.2\n')
    with serving(tmp_path / "data", "--config", str(config)) as live:
        with urllib.request.urlopen(ask(live, "word " * 200, stream=True)) as answer:
            answer.readline()
            began = time.perf_counter()
            live.process.send_signal(signal.SIGINT)
            lines = [line for line in answer.read().decode().split("\n") if line]
        assert live.process.wait(6) == 0
        assert time.perf_counter() - began < 5
    end = json.loads(lines[-1].removeprefix("data: "))
    assert end["choices"][0]["finish_reason"] == "server_interrupted"


def test_another_address_without_a_key(tmp_path: Path) -> None:
    said = refused(*SCRIPTED, "--host", "0.0.0.0", "--data-dir", str(tmp_path))  # noqa: S104
    assert "without an API key" in said


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    said = refused(*SCRIPTED, "--data-dir", str(file / "data"))
    assert "data directory" in said
    assert "--data-dir" in said


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """A limit on file sizes refuses the same write as a full disk does, without filling one."""
    said = refused(
        *SCRIPTED,
        "--data-dir",
        str(tmp_path),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert "cannot be written" in said


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refused(*SCRIPTED, "--data-dir", str(tmp_path), "--port", port)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server", "moonbase.toml is wrong"),
        ('[engines.x]\nkind = "chaos"\nof = "x"\n', "engines.x.of must name another engine"),
        ('[engines.x]\nkind = "chaos"\nchaos = { failed = 0.9 }\n', "their sum is above 1"),
        ("[server]\nprot = 1\n", "prot"),
        ('[server]\nport = "high"\n', "$.server.port"),
        ('[engines.a]\nkind = "magic"\n', "magic"),
        ('[engines.a]\nkind = "gguf"\n', "engines.a.path is missing"),
        ('[models]\n"kimi-k2.6" = "nothing"\n', "'nothing'"),
        ('[models]\n"kimi-k9" = "bundled"\n[engines.bundled]\nkind = "bundled"\n', "kimi-k9"),
        ('[server]\napi_keys = [""]\n', "an API key is empty"),
        ('[server]\nkey_file = "/nonexistent/keys"\n', "/nonexistent/keys"),
        ('[search]\nfolders = ["/nonexistent/documents"]\n', "/nonexistent/documents"),
        ("[server]\ncredit_usd = -1\n", "server.credit_usd must be 0 or more"),
        ("[server]\ncredit_usd = inf\n", "server.credit_usd is wrong"),
        ("[server]\ncredit_usd = 0.00000000001\n", "nine decimals"),
        ('[tools]\nfetch_allow = ["http://intranet.example"]\n', "tools.fetch_allow holds 'http://intranet.example'"),
        ('[tools]\nmodules = ["/nonexistent/tools.py"]\n', "there is no such file"),
        ("[files]\nmax_files = -1\n", "$.files.max_files"),
        ("[files]\nextract_s = 0\n", "$.files.extract_s"),
        ("[mcp.a]\n", "mcp.a: give it either a command or a url"),
        ("[mcp.a]\nurl = 'http://127.0.0.1'\ncolor = 1\n", "color"),
        ('[search]\nlive = true\nsearxng = "http://127.0.0.1:1"\n', "choose one"),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, text: str, named: str) -> None:
    config = tmp_path / "moonbase.toml"
    config.write_text(text)
    assert named in refused("--config", str(config), "--data-dir", str(tmp_path / "data"))


COLLIDING = {
    "a function of an official tool": "@tool\ndef date() -> str: return ''",
    "an official URI": "@tool(uri='moonshot/date:latest')\ndef f() -> str: return ''",
    "among themselves": "@tool(uri='a/b:c')\ndef f(): ...\n@tool(uri='a/b:c')\ndef g(): ...",
}


@pytest.mark.parametrize("name", COLLIDING)
def test_tools_that_collide(tmp_path: Path, name: str) -> None:
    module = tmp_path / "tools.py"
    module.write_text(f"from moonbase.tools import tool\n{COLLIDING[name]}")
    said = refused(*SCRIPTED, "--tools", str(module), "--data-dir", str(tmp_path / "data"))
    assert "is registered twice" in said or "is declared by moonshot/date:latest and again by local/date:latest" in said


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--tools", "no_such_module_of_test"), "tools module no_such_module_of_test cannot be loaded"),
        (("--mcp", "files"), "expected NAME=COMMAND or NAME=URL"),
        (("--mcp", "files=no-such-command-of-test"), "mcp.files: the MCP server cannot be used: FileNotFoundError"),
    ],
)
def test_tools_that_cannot_be_had(tmp_path: Path, flags: tuple[str, ...], named: str) -> None:
    assert named in refused(*SCRIPTED, *flags, "--data-dir", str(tmp_path / "data"))


def test_tools_of_ones_own_by_settings_and_flags(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(
            f"from moonbase.tools import tool\n@tool\ndef {name}(text: str) -> str:\n    return text + '{name}'\n"
        )
    config = tmp_path / "moonbase.toml"
    sample = Path(__file__).parent.parent / "tools" / "mcp" / "sample_server.py"
    config.write_text(
        f"[engines.a]\nkind = 'scripted'\n[tools]\nmodules = ['{tmp_path}/one.py']\n"
        f"[mcp.sample]\ncommand = ['{sys.executable}', '{sample}']\nonly = ['echo']\n"
    )
    with serving(tmp_path / "data", "--config", str(config), "--tools", str(tmp_path / "two.py")) as live:
        for uri, name, output in (
            ("local/one:latest", "one", "xone"),
            ("local/two:latest", "two", "xtwo"),
            ("mcp-sample/echo:latest", "echo", "x"),
        ):
            body = json.dumps({"name": name, "arguments": '{"text":"x"}'}).encode()
            url = f"{live.base_url}/formulas/{uri}/fibers"
            request = urllib.request.Request(url, body, {"Authorization": "Bearer sk-x"})
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["context"]["output"] == output


def test_model_files_that_cannot_be_served(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert "cannot be read" in refused("--model", str(tmp_path / "missing.gguf"), *data)
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF" + b"\0" * 100)
    assert "not a usable GGUF file" in refused("--model", str(wrong), *data)


def test_flags_that_contradict_each_other(tmp_path: Path) -> None:
    assert "contradict" in refused(*SCRIPTED, "--model", "x.gguf", "--data-dir", str(tmp_path))


def test_help_loads_no_server() -> None:
    code = (
        "import sys\nfrom moonbase.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not [name for name in sys.modules if name.startswith(('uvicorn', 'starlette', 'moonbase.server'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout


CLINGING = """
import asyncio
from moonbase.tools import tool

@tool
async def cling() -> str:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""


def test_a_tool_that_does_not_stop_does_not_keep_the_process(tmp_path: Path) -> None:
    module, config = tmp_path / "tools.py", tmp_path / "moonbase.toml"
    module.write_text(CLINGING)
    config.write_text(f"[tools]\nmodules = ['{module}']\ndeadline_s = 0.1\n")
    with serving(tmp_path / "data", *SCRIPTED, "--config", str(config)) as live:
        text = "Call the tool `cling` with these JSON arguments: {}"
        with urllib.request.urlopen(ask(live, text, formulas=["local/cling:latest"])) as answer:
            told = json.loads(answer.read())
        assert told["choices"][0]["message"]["content"].startswith("Error: the tool did not answer in time")
        live.process.send_signal(signal.SIGINT)
        assert live.process.wait(10) == 0


def balance(live: Live) -> float:
    request = urllib.request.Request(f"{live.base_url}/users/me/balance", headers={"Authorization": "Bearer sk-x"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]["available_balance"]


def test_a_second_ctrl_c_leaves_at_once_and_charges_what_was_generated(tmp_path: Path) -> None:
    config = tmp_path / "moonbase.toml"
    config.write_text('[engines.slow]\nkind = "scripted"\npace_s = 0.05\n')
    with serving(tmp_path / "data", "--config", str(config)) as live:
        full = balance(live)
        with urllib.request.urlopen(ask(live, "word " * 1000, stream=True)) as stream:
            stream.readline()
            began = time.monotonic()
            live.process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # two that come together are one to the process
            live.process.send_signal(signal.SIGINT)
            assert live.process.wait(10) == 0
    assert time.monotonic() - began < 3
    with serving(tmp_path / "data", *SCRIPTED) as live:
        assert balance(live) < full


async def test_two_that_start_at_once_on_one_port(tmp_path: Path) -> None:
    """A port can be taken twice until one of them listens, which is after its engines have started."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    platforms = [make_platform(folder) for folder in folders]
    first = bind("127.0.0.1", 0)
    second = bind("127.0.0.1", first.getsockname()[1])
    listener = Listener(App(platforms[0]))
    serving_first = asyncio.create_task(listener.run_on(first))
    await listener.ready.wait()
    with pytest.raises(SettingsError, match="Is another server running there") as told:
        await Listener(App(platforms[1])).run_on(second)
    assert url_of(first) in str(told.value)
    listener.leave()
    await serving_first
