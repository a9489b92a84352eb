"""How much of each kind the corpus holds; weights are shares of rows."""

from collections.abc import Callable, Iterator
from random import Random

from corpus import arithmetic, calls, chinese, identity, needs, news, official, recall, shaped, talk, unknown
from corpus.efforts import with_effort
from corpus.long import long
from corpus.row import Row
from corpus.tools import coined_tool, search_tool

Maker = Callable[[Random], Row]
MAKERS: dict[str, Maker] = {
    "news": news.news,
    "directed": calls.directed,
    "chain": calls.chain,
    "fields": calls.fields,
    "by_need": needs.by_need,
    "official": official.by_official,
    "echo": recall.echo,
    "spelled": recall.spelled,
    "said": recall.said,
    "thought": recall.thought,
    "going_on": recall.going_on,
    "sums": arithmetic.sums,
    "compare": arithmetic.compare,
    "talk": talk.talk,
    "identity": identity.identity,
    "unknown": unknown.unknown,
    "shaped": shaped.shaped,
    "begun": shaped.begun,
    "listed": shaped.listed,
    "chinese": chinese.chinese,
    "long": long,
}
SHARES: dict[str, float] = {
    "news": 16,
    "directed": 30,
    "chain": 18,
    "fields": 10,
    "by_need": 10,
    "official": 13,
    "echo": 18,
    "spelled": 6,
    "said": 8,
    "thought": 5,
    "going_on": 14,
    "sums": 10,
    "compare": 8,
    "talk": 14,
    "identity": 9,
    "unknown": 7,
    "shaped": 18,
    "begun": 5,
    "listed": 10,
    "chinese": 5,
    "long": 5,
}
NEEDLESS = ("echo", "spelled", "said", "compare", "unknown", "shaped", "thought")
"""Kinds that now and then have tools beside them which nobody needs."""
BESIDE = ("echo", "spelled", "said", "compare", "thought", "sums", "identity")
"""Kinds that now and then have official tools beside them, as whoever tries them out does; none of them helps here."""
USELESS = (official.CONVERT, official.MEMORY, official.MEW, official.CHOICE, official.FETCH, official.DATE)


def rows(seed: int, shares: dict[str, float] | None = None) -> Iterator[tuple[str, Row]]:
    """An endless stream of (kind, row), the same for the same seed."""
    rng = Random(seed)
    kinds, weights = zip(*(shares or SHARES).items(), strict=True)
    while True:
        kind = rng.choices(kinds, weights)[0]
        yield kind, made(rng, kind)


def made(rng: Random, kind: str) -> Row:
    row = MAKERS[kind](rng)
    if not row.thinking and row.style != "kimi-k2.6":
        row.style = "kimi-k2.6"
    if kind in NEEDLESS and not row.tools and rng.random() < 0.25:
        row.tools = [coined_tool(rng) for _ in range(rng.randint(1, 3))]
    if kind in BESIDE and not row.tools and rng.random() < 0.15:
        row.tools = rng.sample(USELESS, rng.randint(0, 3))
        row.tools.insert(rng.randint(0, len(row.tools)), search_tool(rng))
    if rng.random() < 0.3:
        _unnamed(row)
    return with_effort(rng, kind, row) if row.style == "kimi-k3" else row


def _unnamed(row: Row) -> None:
    """Results without the tool's name, as most clients send them."""
    for message in row.messages:
        if message["role"] == "tool":
            message.pop("name", None)
