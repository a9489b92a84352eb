"""What a key may ask for (contract.md 4.2, 8.1): decided exactly, whatever comes when."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonbase.accounts.limits import TIERS, Admitted, LimitName, RateLimits, Refused
from moonbase.accounts.quota import LEASE, Quota
from moonbase.accounts.quotas import LocalQuotas

NOW = 1_700_000_000.5


def test_nothing_is_limited_where_nothing_is_said() -> None:
    quota = Quota()
    for _ in range(1000):
        assert quota.admit(RateLimits(), 10**9, NOW, "one") == Admitted(NOW)
    assert (quota.minute, quota.day) == ({}, {})


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (RateLimits(concurrency=3), Refused("concurrency", 3, 4, 1.0)),
        (RateLimits(rpm=3), Refused("rpm", 3, 4, 60.5)),
        (RateLimits(tpm=30), Refused("tpm", 30, 40, 60.5)),
        (RateLimits(tpd=30), Refused("tpd", 30, 40, 900 * 97 - (NOW % 900))),
    ],
)
def test_the_first_that_is_too_much(limits: RateLimits, refused: Refused) -> None:
    quota = Quota()
    for _ in range(3):
        assert quota.admit(limits, 10, NOW, "one") == Admitted(NOW)
    assert quota.admit(limits, 10, NOW, "one") == refused
    assert quota.admit(limits, 10, NOW, "one") == refused, "what was refused is not counted"


def test_a_request_that_never_fits() -> None:
    assert Quota().admit(RateLimits(tpm=10), 11, NOW, "one") == Refused("tpm", 10, 11, 61.0)


def test_there_is_room_when_it_says() -> None:
    limits, quota = RateLimits(rpm=2), Quota()
    quota.admit(limits, 0, NOW, "one")
    quota.admit(limits, 0, NOW + 20, "one")
    refused = quota.admit(limits, 0, NOW + 30, "one")
    assert isinstance(refused, Refused)
    assert isinstance(quota.admit(limits, 0, NOW + 30 + refused.wait - 0.01, "one"), Refused)
    assert isinstance(quota.admit(limits, 0, NOW + 30 + refused.wait, "one"), Admitted)


def test_what_ends_makes_room() -> None:
    limits, quota = RateLimits(concurrency=1), Quota()
    quota.admit(limits, 0, NOW, "one")
    assert isinstance(quota.admit(limits, 0, NOW + 3600, "one"), Refused), "its own process is never forgotten"
    quota.runs("one", 0, NOW)
    assert isinstance(quota.admit(limits, 0, NOW, "one"), Admitted)


def test_what_a_dead_process_ran_is_passed_over() -> None:
    limits, quota = RateLimits(concurrency=1), Quota()
    quota.admit(limits, 0, NOW, "one")
    assert isinstance(quota.admit(limits, 0, NOW + LEASE - 0.1, "two"), Refused)
    assert isinstance(quota.admit(limits, 0, NOW + LEASE, "two", ("one",)), Refused), "it is known to live"
    assert isinstance(quota.admit(limits, 0, NOW + LEASE, "two"), Admitted)
    assert set(quota.running) == {"two"}


def test_a_clock_that_is_set_back_keeps_nobody_out() -> None:
    """What was counted in a time that is yet to come would count until that time, a day or a year."""
    limits, quota = RateLimits(concurrency=2, rpm=1, tpd=10), Quota()
    quota.admit(limits, 10, NOW + 86_400, "one")
    assert isinstance(quota.admit(limits, 10, NOW, "two"), Admitted)
    assert set(quota.running) == {"two"}
    assert isinstance(quota.admit(limits, 0, NOW - 1, "two"), Refused), "clocks differ a little"


def test_tokens_are_taken_back_where_they_were_counted() -> None:
    """Else a later minute would have more room than it may."""
    limits, quota = RateLimits(tpm=100), Quota()
    quota.admit(limits, 100, NOW, "one")
    quota.count(limits, NOW, 0, -90)
    assert isinstance(quota.admit(limits, 90, NOW + 50, "one"), Admitted)
    assert quota.admit(limits, 11, NOW + 70, "one") == Refused("tpm", 100, 101, 40.5)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 40), st.sampled_from(["one", "two"])), max_size=80),
    st.integers(1, 5),
    st.integers(1, 100),
)
def test_no_minute_has_too_much(steps: list[tuple[float, int, str]], rpm: int, tpm: int) -> None:
    """Of what was let in, any 60 seconds hold at most the limit; kept between two steps as it is in a database."""
    limits, quota, now = RateLimits(rpm=rpm, tpm=tpm), Quota(), NOW
    admitted: list[tuple[float, int]] = []
    for wait, tokens, process in steps:
        now += wait
        quota = msgspec.msgpack.decode(msgspec.msgpack.encode(quota), type=Quota)
        if isinstance(quota.admit(limits, tokens, now, process), Admitted):
            admitted.append((now, tokens))
    for begins, _ in admitted:
        span = [tokens for at, tokens in admitted if begins <= at < begins + 60]
        assert len(span) <= rpm
        assert sum(span) <= tpm


@pytest.mark.parametrize(("name", "value"), [("rpm", 10_000), ("concurrency", 1_000), ("tpm", 5_000_000)])
def test_the_hosted_tiers(name: LimitName, value: int) -> None:
    """contract.md 8.1."""
    assert getattr(TIERS[5], name) == value
    assert TIERS[0].tpd == 1_500_000
    assert all(TIERS[tier].tpd is None for tier in range(1, 6))


async def test_a_server_without_keys_does_not_remember_strangers() -> None:
    now = NOW
    quotas = LocalQuotas(RateLimits(rpm=1), lambda: now)
    for number in range(10_000):
        answer = await quotas.admit(f"{number}", 0)
        assert isinstance(answer, Admitted)
        quotas.release(f"{number}", answer, 0)
    now += 120
    assert isinstance(await quotas.admit("last", 0), Admitted)
    assert len(vars(quotas)["_quotas"]) == 1


async def test_a_long_answer_ends_after_its_key_was_forgotten() -> None:
    now = NOW
    quotas = LocalQuotas(RateLimits(rpm=1), lambda: now)
    long = await quotas.admit("long", 0)
    assert isinstance(long, Admitted)
    now += 120
    for number in range(10_000):
        await quotas.admit(f"{number}", 0)
    quotas.release("long", long, 0)
    assert isinstance(await quotas.admit("long", 0), Admitted)
