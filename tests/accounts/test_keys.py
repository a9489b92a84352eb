"""What a caller is called. How keys are checked stands in tests/server/test_auth.py."""

from __future__ import annotations

import re

from moonbase.accounts.keys import KeyRing, account_name


def test_the_name_of_an_account() -> None:
    """contract.md 4.2: {organization-id}<{ak-id}>; stable, one for each key, and silent about the key."""
    one, two = (KeyRing().authenticate(f"Bearer sk-{name}") for name in ("one", "two"))
    assert account_name(one) == account_name(one)
    organization, key = re.fullmatch(r"(org-[0-9a-f]{32})<(ak-[0-9a-f]{16})>", account_name(one), re.ASCII).groups()  # pyright: ignore[reportOptionalMemberAccess]
    assert key == f"ak-{one}"
    assert organization not in account_name(two)
    assert key not in account_name(two)
