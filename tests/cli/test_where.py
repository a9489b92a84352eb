"""Which server a command talks to."""

from __future__ import annotations

import click
import pytest

from moonbase.cli import where
from moonbase.contract import local


def test_the_default_is_the_server_of_this_machine() -> None:
    """Written out twice, so that `--help` loads nothing of the contract."""
    assert where.LOCAL_BASE_URL == local.LOCAL_BASE_URL


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("https://host.example/v1/", "https://host.example/v1"),
        ("https://host.example/coding/v1", "https://host.example/coding/v1"),
    ],
)
def test_the_api_lies_under_v1_unless_a_path_is_given(url: str, root: str) -> None:
    assert where.api_root(url) == root


@pytest.mark.parametrize("url", ["http://[::1", "http://a:99999", "http://a:x", "http://", "localhost:8000", "ftp://a"])
def test_what_is_no_address_is_told_apart(url: str) -> None:
    with pytest.raises(click.UsageError, match="is no address of a server"):
        where.api_root(url)


def test_a_key_is_taken_without_the_end_of_its_line() -> None:
    assert where.read_where(None, "sk-one\r\n").key == "sk-one"
    assert where.read_where(None, " ").key == local.ANY_KEY


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\u6708", "sk-\udce9", "sk-\x1b"])
def test_what_can_be_no_key_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        where.read_where(None, key)
    assert "sk-" not in raised.value.message
