"""Searches within some sites, and what they have found."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from moonbase.tools.search.provider import SearchResult
from moonbase.tools.search.sites import BEST, SiteSearch, is_within, naming


class Known:
    """A search over a few pages, which keeps what it was asked."""

    def __init__(self, *urls: str) -> None:
        self._urls = urls
        self.asked: list[tuple[str, tuple[str, ...], int]] = []

    async def search(self, query: str, classes: Sequence[str], limit: int) -> list[SearchResult]:
        self.asked.append((query, tuple(classes), limit))
        return [SearchResult(f"At {url}", "", url, "", "") for url in self._urls][:limit]


@pytest.mark.parametrize(
    ("url", "sites", "within"),
    [
        ("https://a.org/x", [], True),
        ("", [], True),
        ("https://a.org/x", ["a.org"], True),
        ("https://www.a.org/x", ["a.org"], True),
        ("https://a.org/x", ["www.a.org"], True),
        ("https://b.a.org/x", ["c.org", "a.org"], True),
        ("https://ba.org/x", ["a.org"], False),
        ("https://c.org/a.org", ["a.org"], False),
        ("", ["a.org"], False),
    ],
)
def test_what_is_within(url: str, sites: list[str], *, within: bool) -> None:
    assert is_within(url, sites) is within


def test_many_sites_are_not_named() -> None:
    """Engines of the web cut long queries; what is found is looked through all the same."""
    assert naming("moon", []) == "moon"
    assert naming("moon", ["a.org", "b.org"]) == "moon site:a.org OR site:b.org"
    assert naming("moon", ["a.org"] * 11) == "moon"


async def test_a_search_within_sites() -> None:
    known = Known("https://c.org/1", "https://a.org/2", "https://b.a.org/3", "https://a.org/4")
    found = await SiteSearch(known, ["A.org"]).search("moon", ("all",), 2)
    assert [each.url for each in found] == ["https://a.org/2", "https://b.a.org/3"]
    assert known.asked == [("moon site:a.org", ("all",), BEST)]


async def test_what_was_found_is_kept_by_its_query() -> None:
    known = Known("https://a.org/1", "", "https://a.org/2")
    search = SiteSearch(known, [])
    await search.search("the moon", ("all",), 3)
    await search.search("the moon", ("academic",), 1)
    assert [each.url for each in search.found(" the  moon\n")] == ["https://a.org/1", "https://a.org/2"]
    assert search.found("the sun") == []
    assert known.asked == [("the moon", ("all",), 3), ("the moon", ("academic",), 1)]
