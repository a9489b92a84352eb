"""What a caller is called. How keys are checked stands in tests/server/test_auth.py."""

from __future__ import annotations

import re
from pathlib import Path

from moonbase.accounts.keys import KeyRing, account_name, read_key_file, read_key_names


def test_the_name_of_an_account() -> None:
    """contract.md 4.2: {organization-id}<{ak-id}>; stable, one for each key, and silent about the key."""
    one, two = (KeyRing().authenticate(f"Bearer sk-{name}") for name in ("one", "two"))
    assert account_name(one) == account_name(one)
    organization, key = re.fullmatch(r"(org-[0-9a-f]{32})<(ak-[0-9a-f]{16})>", account_name(one), re.ASCII).groups()  # pyright: ignore[reportOptionalMemberAccess]
    assert key == f"ak-{one}"
    assert organization not in account_name(two)
    assert key not in account_name(two)


def test_keys_and_their_names_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("# who may\n\nsk-one\n  sk-two  # team two \nsk-#three #\nsk-four#five\n")
    assert read_key_file(path) == ["sk-one", "sk-two", "sk-#three", "sk-four#five"]
    assert read_key_names(path) == {KeyRing().authenticate("Bearer sk-two"): "team two"}
