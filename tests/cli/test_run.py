"""`moonbase run` as scripts use it: what is on which stream, exit codes, and every way to fail."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from moonbase.agent.session import Session
from tests.cli.terminal.console import console
from tests.cli.toolmaking import call, write_tools
from tests.documents.live import Live, serving

SCRIPTED = ("--engine", "scripted")
DATE = 'Call the tool `date` with these JSON arguments: {"operation":"time"}'
NOBODY = ("--base-url", "http://127.0.0.1:9/v1")
SLOW = '[engines.slow]\nkind = "scripted"\npace_s = 0.05\n'


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "moonbase", "run", *arguments]


def run(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        input=text,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def slow(tmp_path: Path) -> Generator[Live]:
    """A server with keys, whose answers take their time."""
    config = tmp_path / "slow.toml"
    config.write_text(SLOW)
    with serving(tmp_path / "server", "--config", str(config), "--api-key", "sk-documents") as live:
        yield live


def test_the_answer_is_alone_on_standard_output() -> None:
    done = run(*SCRIPTED, "--formula", "date", DATE)
    assert done.returncode == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", done.stdout)
    assert '● date {"operation":"time"}' in done.stderr
    assert "tok/s" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_is_quiet_and_a_task_may_come_from_standard_input() -> None:
    done = run(*SCRIPTED, "--quiet", "-", text="Hello\nthere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "You said: Hello\nthere\n", "")


def test_json_has_one_event_a_line() -> None:
    done = run(*SCRIPTED, "--json", "--formula", "date", DATE)
    assert (done.returncode, done.stderr) == (0, "")
    told = events(done.stdout)
    kinds = [each["event"] for each in told]
    assert [kind for at, kind in enumerate(kinds) if kinds[at - 1 : at] != [kind]] == [
        *("step", "prompt", "reasoning", "call", "step_end", "result"),
        *("step", "prompt", "reasoning", "text", "done"),
    ]
    fields = {each["event"]: sorted(each) for each in told}
    assert fields == {
        "step": ["attempt", "event", "step"],
        "prompt": ["cached", "event", "tokens"],
        "reasoning": ["event", "text"],
        "text": ["event", "text"],
        "call": ["arguments", "event", "id", "name"],
        "result": ["content", "event", "failed", "id", "name", "seconds"],
        "step_end": ["event", "finish_reason", "usage"],
        "done": ["event", "finish_reason", "output", "price_usd", "steps", "text", "usage"],
    }
    [made] = [each for each in told if each["event"] == "call"]
    assert json.loads(made["arguments"]) == {"operation": "time"}
    end = told[-1]
    assert end["text"] == "".join(each["text"] for each in told if each["event"] == "text")
    assert end["usage"]["completion_tokens"] > end["usage"]["reasoning_tokens"] > 0


def test_an_answer_that_must_fit_a_schema(tmp_path: Path) -> None:
    schema = tmp_path / "city.json"
    schema.write_text('{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}')
    done = run(*SCRIPTED, "--output-schema", str(schema), "The largest city of Japan")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["name"], str)
    schema.write_text("{")
    done = run(*SCRIPTED, "--output-schema", str(schema), "The largest city of Japan")
    assert done.returncode == 2
    assert "city.json" in done.stderr
    schema.write_text("[]")
    done = run(*SCRIPTED, "--output-schema", str(schema), "The largest city of Japan")
    assert (done.returncode, done.stderr) == (
        2,
        f"moonbase run: --output-schema {schema}: Expected `object`, got `array`\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [("2>&-", 0, "You said: Hello\n"), (">&-", 0, ""), ("2>&- >&-", 0, ""), ("<&-", 0, "You said: Hello\n")],
)
def test_closed_streams_are_as_if_nobody_reads_or_writes(closed: str, code: int, said: str) -> None:
    line = f"{shlex.join(command(*SCRIPTED, 'Hello'))} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, said)
    assert "Traceback" not in done.stderr


def test_no_standard_input_is_an_empty_one() -> None:
    line = f"{shlex.join(command(*SCRIPTED, '-'))} <&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "moonbase run: the task is empty; say what is to be done\n")


def test_a_time_limit_that_is_no_number() -> None:
    done = run(*SCRIPTED, "--timeout", "nan", "Hello")
    assert done.returncode == 2
    assert "Invalid value for '--timeout': 'nan' is no number" in done.stderr


def test_a_session_is_gone_on_with(tmp_path: Path) -> None:
    kept = str(tmp_path / "s.jsonl")
    assert run(*SCRIPTED, "--session", kept, "one").returncode == 0
    assert run(*SCRIPTED, "--session", kept, "two").returncode == 0
    assert [message.text for message in Session.read(kept).messages] == [
        *("one", "You said: one", "two", "You said: two")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*NOBODY, "hi"), 3, "no server answers at http://127.0.0.1:9/v1"),
        ((*SCRIPTED, "--model", "kimi-x", "hi"), 3, "Not found the model kimi-x"),
        ((*SCRIPTED, "  "), 2, "the task is empty"),
        (("--engine", "nothing.gguf", "hi"), 2, "nothing.gguf cannot be read"),
        ((*SCRIPTED, "--tools", "no_such_module", "hi"), 2, "no_such_module"),
        ((*SCRIPTED, "--formula", "nonsense", "hi"), 2, "there is no official tool 'moonshot/nonsense:latest'"),
        ((*SCRIPTED, "--no-think", "--model", "kimi-k2.7-code", "hi"), 1, "only type=enabled is allowed"),
        ((*SCRIPTED, "--max-tokens", "15", "a long answer, please"), 1, "cut off at the limit of tokens"),
        (("--base-url", "https://api.example.com/v1", "hi"), 2, "needs an API key"),
    ],
)
def test_what_fails_is_a_line_and_a_code(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run("--quiet", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if code != 2 or "Usage" not in done.stderr:
        assert done.stderr.count("\n") == 1


def test_a_failure_is_an_event_too() -> None:
    done = run("--json", *SCRIPTED, "--no-think", "--model", "kimi-k2.7-code", "hi")
    assert done.returncode == 1
    last = events(done.stdout)[-1]
    assert (last["event"], last["type"], last["exit"]) == ("failed", "invalid_request_error", 1)


def test_a_tool_that_raises_is_told_to_the_model_and_the_task_goes_on(tmp_path: Path) -> None:
    done = run(*SCRIPTED, "--tools", write_tools(tmp_path), call("broken"))
    assert done.returncode == 0
    assert "the wheel is off" in done.stdout
    assert "⎿ " in done.stderr


def test_what_a_model_says_is_no_escape_sequence_in_any_form(tmp_path: Path) -> None:
    tools = write_tools(tmp_path)
    for form in ((), ("--json",)):
        done = run(*SCRIPTED, *form, "--tools", tools, call("attack"))
        assert done.returncode == 0
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    assert any("\x1b[2J" in each.get("content", "") for each in events(done.stdout))


def test_a_server_with_keys(slow: Live) -> None:
    environment = {"MOONSHOT_BASE_URL": slow.base_url, "MOONSHOT_API_KEY": "sk-wrong"}
    done = run("hi", **environment)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "does not accept the API key" in done.stderr
    assert "sk-wrong" not in done.stderr
    done = run("hi", "--model", "kimi-x", **{**environment, "MOONSHOT_API_KEY": "sk-documents"})
    assert done.returncode == 3
    assert "Not found the model kimi-x" in done.stderr


def begun(slow: Live, *arguments: str) -> subprocess.Popen[str]:
    """A run whose answer has begun: the first event with text has come."""
    process = subprocess.Popen(
        command("--json", *arguments),
        env=slow.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while '"reasoning"' not in process.stdout.readline():
        assert process.poll() is None
    return process


def test_an_engine_that_dies_in_mid_answer(slow: Live, tmp_path: Path) -> None:
    kept = tmp_path / "s.jsonl"
    process = begun(slow, "--retries", "0", "--session", str(kept), "please say this " * 9)
    slow.process.kill()
    out, err = process.communicate(timeout=30)
    assert process.returncode in (1, 3)
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert events(out)[-1]["event"] == "failed"
    assert [message.role for message in Session.read(kept).messages] == ["user"]


def test_ctrl_c_stops_keeps_the_session_and_says_so(slow: Live, tmp_path: Path) -> None:
    kept = tmp_path / "s.jsonl"
    process = begun(slow, "--session", str(kept), "please say this " * 9)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == f"moonbase: stopped; what was whole is in {kept}\n"
    assert events(out)[-1]["event"] == "failed"
    assert [message.role for message in Session.read(kept).messages] == ["user"]


def test_a_pipe_that_is_closed_early(slow: Live, tmp_path: Path) -> None:
    kept = tmp_path / "s.jsonl"
    process = begun(slow, "--session", str(kept), "please say this " * 9)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert err == f"moonbase: nobody reads the output any more; what was whole is in {kept}\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_at_any_moment(tmp_path: Path) -> None:
    """From before anything is loaded until after the end; twice, too."""
    began = time.perf_counter()
    assert run(*SCRIPTED, "hi").returncode == 0
    whole = time.perf_counter() - began
    for part in range(16):
        with subprocess.Popen(
            command(*SCRIPTED, "hi"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            time.sleep(whole * (0.1 + part / 15))  # the moment is the test
            process.send_signal(signal.SIGINT)
            if part % 2:
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        # A shell tells the last two alike; the signal itself ends Python where that is leaving anyway.
        assert process.returncode in (0, 130, -signal.SIGINT), (part, err)
        assert "Traceback" not in err, (part, err)
        assert out in ("", "You said: hi\n"), part


def test_in_a_terminal_the_answer_streams_and_is_rendered(tmp_path: Path) -> None:
    environment = {"MOONBASE_DATA_DIR": str(tmp_path)}
    with console("run", *SCRIPTED, "--reasoning", "**hello**", columns=40, environment=environment) as ran:
        assert ran.ended() == 0
    assert ran.emulated.lines[0] == "│ I am the scripted engine. I read this"
    assert "You said: hello" in ran.text
    assert max(map(len, ran.emulated.lines)) < 40
    assert b"\x1b[1mhello\x1b[0m" in ran.raw


def test_no_colour_where_the_user_wants_none(tmp_path: Path) -> None:
    environment = {"MOONBASE_DATA_DIR": str(tmp_path), "NO_COLOR": "1"}
    with console("run", *SCRIPTED, "**hello**", environment=environment) as ran:
        assert ran.ended() == 0
    assert "You said: hello" in ran.text
    assert re.sub(rb"\r\x1b\[K", b"", ran.raw).count(b"\x1b") == 0
