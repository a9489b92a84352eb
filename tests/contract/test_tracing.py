"""W3C Trace Context, level 2, sections 3.2 and 3.3: what is a `traceparent`, and what becomes of one that is none."""

from __future__ import annotations

import pytest

from moonbase.contract.tracing import Trace, read_trace

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("parent", [PARENT, PARENT.replace("00-", "cc-", 1), PARENT.replace("00-", "cc-", 1) + "-what"])
def test_a_parent_is_taken(parent: str) -> None:
    assert read_trace(parent, None) == Trace(parent)
    assert read_trace(parent, "rojo=00f067aa0ba902b7, congo=t61") == Trace(parent, "rojo=00f067aa0ba902b7, congo=t61")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT.replace("00-", "ff-", 1),
        PARENT[:-1],
        PARENT + "\n",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nHost: elsewhere",
    ],
)
def test_what_is_none_is_passed_over(parent: str) -> None:
    assert read_trace(parent, "rojo=1") is None


@pytest.mark.parametrize("state", ["", "x" * 513, "a=1\r\nHost: elsewhere", "é=1"])
def test_a_state_that_is_none_is_left_out(state: str) -> None:
    assert read_trace(PARENT, state) == Trace(PARENT)
