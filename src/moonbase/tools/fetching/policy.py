"""Who may be asked: the public web, and what the operator allows besides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network

from moonbase.contract.errors import SettingsError
from moonbase.tools.fetching.addresses import Address, Network, is_own, is_public
from moonbase.tools.fetching.targets import Target
from moonbase.tools.tool import ToolError

# Names that mean something inside a machine, a cluster or a cloud only, whatever they may resolve to.
_INNER = ("localhost", "internal", "local", "localdomain", "home.arpa", "lan", "intranet", "corp", "private", "onion")
_HOST = re.compile(r"\.?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\Z", re.ASCII)
# Above 1023 the web is served on any port; these belong to other well-known services (and 6000 to 6063 to X11).
# fmt: off
_SERVICES = frozenset([
    1080, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3128, 3268, 3269,
    3306, 3389, 3659, 4045, 4190, 4222, 4369, 5060, 5061, 5222, 5432, 5433, 5672, 5900, 5901, 5984, 5985, 5986,
    6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 8086, 8125, 8500, 8883, 9042,
    9092, 9100, 9200, 9300, 10080, 10250, 10255, 11211, 15672, 26379, 27017, 27018, 27019, 50000,
    *range(6000, 6064),
])
# fmt: on


class Refused(ToolError):
    """A place that nobody may have read."""


class Policy:
    """Rules for targets and for the addresses that their names resolve to.

    `allow` names what is allowed besides the public web: networks ("10.0.0.0/8"), addresses, host names
    ("intranet.example"), or all names below one (".intranet.example"). Raises `SettingsError` for anything else.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks: list[Network] = []
        self._names: set[str] = set()
        for entry in allow:
            self._add(entry)

    def _add(self, entry: str) -> None:
        text = entry.strip().lower()
        try:
            self._networks.append(ip_network(text))
        except ValueError:
            if not _HOST.match(text) or "/" in text or text.rpartition(".")[2].isdigit():
                raise SettingsError(
                    f"tools.fetch_allow holds {entry!r}; expected a network such as 10.0.0.0/8 (no bits behind the "
                    "prefix), an address, a host name, or .example.com for all names below one"
                ) from None
            self._names.add(text)

    def check_target(self, target: Target) -> None:
        """What can be said before a name is resolved; raises `ToolError`."""
        port = target.port
        if port not in (80, 443) and (port < 1024 or port in _SERVICES):
            raise Refused(f"port {port} is not one that web pages are served on; it cannot be fetched")
        if target.address is not None:
            self.check_address(target, target.address)
        elif not self._named(target.host) and ("." not in target.host or _inner(target.host)):
            raise Refused(
                f"the host {target.host} belongs to an internal network; only public web pages can be fetched"
            )

    def check_address(self, target: Target, address: Address) -> None:
        """One address of the target. The message keeps it to itself: names of the inside are nobody's to look up."""
        if self.allows(target, address) or is_public(address):
            return
        raise Refused(
            f"the host {target.host} has an address that is not on the public internet; "
            "only public web pages can be fetched"
        )

    def allows(self, target: Target, address: Address) -> bool:
        """Whether the operator has allowed this address, or this host with an address of its own network."""
        if any(address in network for network in self._networks if network.version == address.version):
            return True
        return target.address is None and self._named(target.host) and is_own(address)

    def _named(self, host: str) -> bool:
        parents = (host[index:] for index, letter in enumerate(host) if letter == ".")
        return host in self._names or any(parent in self._names for parent in parents)


def _inner(host: str) -> bool:
    return host.endswith(tuple(f".{name}" for name in _INNER))
