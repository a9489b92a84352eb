"""Searches within some sites, and what one request's searches have found."""

from __future__ import annotations

from collections.abc import Sequence

from moonbase.tools.search.provider import SearchProvider, SearchResult, host_of

BEST = 20
"""Results among which those of some sites are looked for."""
_MOST_NAMED = 10
"""Sites that a query can name; engines of the web cut longer ones."""


def naming(query: str, sites: Sequence[str]) -> str:
    """`query`, so that engines of the web look at `sites` first; others take the names for words."""
    return f"{query} {' OR '.join(f'site:{site}' for site in sites)}" if 0 < len(sites) <= _MOST_NAMED else query


def is_within(url: str, sites: Sequence[str]) -> bool:
    """Whether `url` is of one of the sites, which are in lower case, or of a host below it; without any it is."""
    host = host_of(url)
    return not sites or any(host == site.removeprefix("www.") or host.endswith(f".{site}") for site in sites)


class SiteSearch:
    """The searches of one request: `search`, within `sites` where there are any. It keeps what was `found`."""

    def __init__(self, search: SearchProvider, sites: Sequence[str]) -> None:
        self._search, self._sites = search, [site.lower() for site in sites]
        self._found: dict[str, dict[str, SearchResult]] = {}

    async def search(self, query: str, classes: Sequence[str], limit: int) -> list[SearchResult]:
        asked = naming(query, self._sites), classes, BEST if self._sites else limit
        results = [each for each in await self._search.search(*asked) if is_within(each.url, self._sites)][:limit]
        self._found.setdefault(_line(query), {}).update({each.url: each for each in results if each.url})
        return results

    def found(self, query: str) -> list[SearchResult]:
        """What searches for `query` have found that has an address, each once."""
        return list(self._found.get(_line(query), {}).values())


def _line(query: str) -> str:
    return " ".join(query.split())
