"""Upstreams by flags and by the file."""

from __future__ import annotations

import json
import logging
import re
import urllib.request
from pathlib import Path

import pytest

from moonbase.cli.compose import open_engine
from moonbase.contract.errors import SettingsError
from moonbase.engines.http.dialect import DialectName
from moonbase.engines.http.engine import HttpEngine
from moonbase.engines.router import RouterEngine
from moonbase.server.settings import Settings, load_settings
from tests.cli.test_serve import SCRIPTED, ask, refused
from tests.documents.live import serving
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import upstream, whole


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "moonbase.toml"
    file.write_text(text)
    return load_settings(file)


def test_one_line(tmp_path: Path) -> None:
    """`moonbase serve --upstream URL` serves every card from there, and no key of it is seen."""
    with serving(tmp_path / "inner", *SCRIPTED, "--api-key", "sk-inner") as inner:
        flags = ("--upstream", inner.base_url, "--dialect", "moonbase", "--upstream-key", "sk-inner")
        with serving(tmp_path / "outer", *flags) as outer:
            for model in ("kimi-k3", "kimi-k2.6"):
                request = ask(outer, "Hi there.")
                request.data = json.dumps({**json.loads(bytes(request.data or b"")), "model": model}).encode()  # type: ignore[arg-type]
                with urllib.request.urlopen(request) as answer:
                    assert json.load(answer)["choices"][0]["message"]["content"] == "You said: Hi there."
            assert outer.process.stdout is not None
            said = "".join(outer.process.stdout.readline() for _ in range(3))
    assert "upstream (http)" in said
    assert "sk-inner" not in said


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--upstream", "gpu:8000"), "the URL of an upstream must be http:// or https://"),
        (("--upstream", "http://gpu", "--engine", "scripted"), "--engine and --upstream contradict each other"),
        (("--upstream", "http://gpu", "--context", "9"), "not for --upstream"),
        (("--dialect", "vllm"), "--dialect goes with --upstream"),
        (
            ("--upstream", "http://gpu", "--upstream-key", "a\nb"),
            "the key of an upstream has a character that no HTTP header may hold",
        ),
    ],
)
def test_flags_that_are_wrong(tmp_path: Path, flags: tuple[str, ...], text: str) -> None:
    assert text in refused(*flags, "--data-dir", str(tmp_path))


def test_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", "sk-from-the-environment")
    settings = loaded(
        tmp_path,
        """
        [engines.big]
        kind = "http"
        dialect = "vllm"
        model = "moonshotai/Kimi-K2.6"
        key = "sk-of-the-pool"
        sees = ["image"]

        [[engines.big.upstreams]]
        url = "http://gpu1:8000"

        [[engines.big.upstreams]]
        url = "http://gpu2:8000"
        dialect = "sglang"
        key_env = "GPU_KEY"

        [models]
        "kimi-k2.6" = "big"
        """,
    )
    engine = open_engine("big", settings.engines["big"])
    assert isinstance(engine, RouterEngine)
    assert engine.sees == {"image"}
    first, second = engine.members
    assert isinstance(first, HttpEngine)
    assert isinstance(second, HttpEngine)
    assert (first.name, first.dialect.name) == ("http://gpu1:8000/v1", "vllm")
    assert (second.name, second.dialect.name) == ("http://gpu2:8000/v1", "sglang")
    assert first.client.upstream.authorization == "Bearer sk-of-the-pool"
    assert second.client.upstream.authorization == "Bearer sk-from-the-environment"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "http"', "engines.x.url is missing"),
        ('kind = "http"\nurl = "http://gpu"\nkey = "a"\nkey_env = "B"', "both key and key_env"),
        ('kind = "http"\nurl = "http://gpu"\nkey_env = "NOT_SET_ANYWHERE"', "'NOT_SET_ANYWHERE', which is not set"),
        ('kind = "http"\nurl = "http://gpu"\nbudgets = true', "budgets is for the dialect vllm; this one is openai"),
        (
            'kind = "http"\nurl = "http://gpu"\ndialect = "kimi"\nopens_thinking = true',
            "opens_thinking is for engines, and kimi is a platform",
        ),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    settings = loaded(tmp_path, f"[engines.x]\n{text}\n")
    with pytest.raises(SettingsError, match=message):
        open_engine("x", settings.engines["x"])


def test_a_dialect_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dialect"):
        loaded(tmp_path, '[engines.x]\nkind = "http"\ndialect = "gpt"\n')


async def test_a_dialect_that_is_another(caplog: pytest.LogCaptureFixture) -> None:
    models = whole({"data": [{"id": "m", "owned_by": "vllm"}]})
    async with upstream(b"", models=models) as stub:
        expected: list[tuple[DialectName, bool]] = [("openai", True), ("vllm", False)]
        for dialect, warned in expected:
            caplog.clear()
            engine = http_engine(stub.url, dialect)
            with caplog.at_level(logging.WARNING):
                await engine.start()
            await engine.close()
            assert ("says that it is vllm" in caplog.text) is warned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1", "unknown field `prot` - at `$.server`; did you mean port?"),
        ("[servr]\nport = 1", "unknown field `servr`; did you mean server?"),
        (
            "port = 1",
            "unknown field `port`; there are server, engines, models, search, tools, files, batches, limits, mcp",
        ),
        ('[engines.a]\nkind = "http"\n[[engines.a.upstreams]]\nulr = "x"', "did you mean url?"),
        ('[mcp.notes]\ncomand = ["x"]', "did you mean command?"),
    ],
)
def test_an_unknown_setting_brings_to_mind_the_one_that_was_meant(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "moonbase.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_settings(file)
