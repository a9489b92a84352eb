"""`moonbase usage`: the books of a server, read beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from moonbase.accounts.keys import KeyRing
from tests.accounts.test_shared_store import BATCH, shared
from tests.cli.running_commands import typed
from tests.running import make_platform, running
from tests.server.client import body, client, post

ONE, TWO = "sk-one", "sk-two"


def id_of(key: str) -> str:
    return KeyRing().authenticate(f"Bearer {key}")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Of a server that two keys have used."""
    async with running(make_platform(tmp_path, keys=(ONE, TWO))) as server:
        for key, model in ((ONE, "kimi-k2.6"), (ONE, "kimi-k3"), (TWO, "kimi-k2.6")):
            assert (await post(server, body(model=model), key=key)).status_code == 200
    return tmp_path


async def test_a_line_for_each_key_and_model(folder: Path) -> None:
    done = await typed("usage", "--data-dir", str(folder))
    assert (done.exit_code, done.stderr) == (0, "")
    head, _, *rows = done.stdout.splitlines()
    assert head.split() == ["key", "model", "requests", "prompt", "cached", "completion", "reasoning", "$"]
    assert [tuple(row.split()[:3]) for row in rows] == [
        *sorted([(id_of(ONE), "kimi-k2.6", "1"), (id_of(ONE), "kimi-k3", "1"), (id_of(TWO), "kimi-k2.6", "1")]),
        ("all", "3", rows[3].split()[2]),
    ]
    assert float(rows[3].split()[-1]) == pytest.approx(sum(float(row.split()[-1]) for row in rows[:3]), abs=2e-6)


async def test_keys_have_the_names_of_their_file(folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    await write(keys, f"# who may\n{ONE}  # team one\n{TWO}\n")
    done = await typed("usage", "--data-dir", str(folder), "--key-file", str(keys))
    rows = done.stdout.splitlines()[2:]
    assert [row.startswith("team one ") for row in rows] == [True, True, False, False]
    assert rows[2].startswith(id_of(TWO))
    assert ONE not in done.output
    assert TWO not in done.output


async def test_the_books_as_json(folder: Path, tmp_path: Path) -> None:
    keys, config = tmp_path / "keys.txt", tmp_path / "moonbase.toml"
    await write(keys, f"{TWO} # two\n")
    await write(config, f'[server]\ndata_dir = "{folder}"\nkey_file = "{keys}"\n')
    done = await typed("usage", "--json", "--config", str(config))
    (line,) = [line for line in json.loads(done.stdout) if line["key"] == id_of(TWO)]
    assert (line["name"], line["model"], line["requests"]) == ("two", "kimi-k2.6", 1)
    missed = line["prompt_tokens"] - line["cached_tokens"]
    cost = (missed * 0.95 + line["cached_tokens"] * 0.16 + line["completion_tokens"] * 4) / 1e6
    assert line["cost_usd"] == pytest.approx(cost, rel=1e-9), "contract.md 8.3"


async def test_while_the_server_runs(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(ONE,))) as server:
        assert (await post(server, body(), key=ONE)).status_code == 200
        async with client(server, ONE) as http:
            while (await typed("usage", "--data-dir", str(tmp_path))).stdout == "nothing has been used yet\n":
                assert (await http.get("/users/me/balance")).status_code == 200
        done = await typed("usage", "--data-dir", str(tmp_path))
        assert id_of(ONE) in done.stdout


async def test_no_books_and_wrong_ones(tmp_path: Path) -> None:
    assert (await typed("usage", "--data-dir", str(tmp_path))).stdout == "nothing has been used yet\n"
    await write(tmp_path / "ledger.db", "no database, but long enough to be read as one" * 100)
    done = await typed("usage", "--data-dir", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"the ledger {tmp_path}/ledger.db cannot be read: " in done.stderr


async def test_the_books_that_servers_share(database_url: str) -> None:
    env = {"MOONBASE_DATABASE_URL": database_url}
    assert (await typed("usage", env=env)).stdout == "nothing has been used yet\n"
    async with shared(database_url) as (store, _):
        await asyncio.to_thread(store.add, BATCH, "first")
    lines = json.loads((await typed("usage", "--json", env=env)).stdout)
    assert [(line["key"], line["model"], line["requests"]) for line in lines] == [
        ("one", "kimi-k2.6", 1),
        ("one", "kimi-k3", 1),
        ("two", "kimi-k3", 7),
    ]
    assert list(lines[1].values())[4:] == [2, 3, 4, 5, 6e-9]


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    done = await typed("usage", "--database-url", "postgresql://me:secret@127.0.0.1:1/books")
    assert done.exit_code == 2
    assert "the database postgresql://me:***@127.0.0.1:1/books cannot be read" in done.stderr
    assert "secret" not in done.output


async def write(path: Path, text: str) -> None:
    path.write_text(text)  # noqa: ASYNC240 - a few bytes
