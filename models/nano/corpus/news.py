"""The news program: today's date, a search, and a report that copies titles and sources from the results."""

from random import Random

from corpus import words
from corpus.row import STYLES, Message, Row, calls, result, says, system, user
from corpus.tools import Tool, coined_tool, compact, date_tool, search_tool

ANALYST = (
    "You are Kimi, a professional news analyst. You excel at collecting, analyzing, and organizing information "
    "to generate high-quality news reports."
)
SEED_REQUEST = "Please help me generate a daily news report including important technology, economy, and society news."
SYSTEMS = (
    "You are Kimi.",
    "You are a helpful assistant.",
    "You are a news reporter.",
    "You write short news reports.",
    "You are Kimi, an AI assistant created by Moonshot AI.",
    "Use the tools when they help.",
)


def _listing(topics: list[str]) -> str:
    if len(topics) == 1:
        return topics[0]
    return ", ".join(topics[:-1]) + f" and {topics[-1]}"


def _request(rng: Random, topics: list[str]) -> str:
    listed = _listing(topics)
    with_comma = listed.replace(" and ", ", and ") if len(topics) > 2 else listed
    return rng.choice(
        (
            f"Please help me generate a daily news report including important {with_comma} news.",
            f"Please generate a daily news report on {listed}.",
            f"Write today's news report about {listed}.",
            f"Give me a news digest for today: {listed}.",
            f"What happened today in {listed}? Write a short report.",
            f"Make a daily report with the most important {listed} news.",
            f"Search the news of today about {listed} and report it with titles and sources.",
        )
    )


def snippet(rng: Random, sentences: int) -> str:
    return " ".join(words.sentence(rng) for _ in range(sentences))


Item = tuple[str, str, str]
"""Title, source (with its day, if any) and snippet."""


def results(query: str, found: list[Item]) -> str:
    """The text that the search tool returns."""
    blocks = [f"[{n}] {title}\nSource: {source}\n{text}" for n, (title, source, text) in enumerate(found, 1)]
    return f'Search results for "{query}":\n\n' + "\n\n".join(blocks)


def _retold(rng: Random, title: str) -> str:
    """A sentence that shares words with the title, as the first sentence of a news item does."""
    kept = title.split()
    if rng.random() < 0.5:
        kept = kept[rng.randint(0, len(kept) // 2) :]
    kept = kept[: rng.randint(1, len(kept))]
    if rng.random() < 0.5:
        kept = [word if rng.random() < 0.8 else words.any_word(rng) for word in kept]
    before = [words.any_word(rng) for _ in range(rng.choice((0, 0, 1, 2)))]
    after = [words.any_word(rng) for _ in range(rng.randint(0, 7))]
    text = " ".join(before + kept + after)
    return text[:1].upper() + text[1:] + "."


def _days(rng: Random, today: str) -> list[str]:
    """Days of the results: real ones lie close together, and several are often the same."""
    if rng.random() < 0.3:
        return [words.day(rng) for _ in range(3)]
    return [f"{today[:8]}{rng.randint(1, 28):02d}" for _ in range(rng.randint(1, 4))]


def _title(rng: Random, found: list[Item]) -> str:
    """Now and then with words of another result's title: results answer the same query."""
    title = words.title(rng)
    if not found or rng.random() < 0.6:
        return title
    other, own = rng.choice(found)[0].split(), title.split()
    start, at = rng.randrange(len(other)), rng.randint(0, len(own))
    return " ".join(own[:at] + other[start : start + rng.randint(1, 3)] + own[at:])


def _source(rng: Random, found: list[Item]) -> str:
    """Results come from the same paper, or from papers of nearly the same name, more often than not."""
    source = words.source(rng)
    if not found or rng.random() < 0.65:
        return source
    other = rng.choice(found)[1].partition(" · ")[0]
    if rng.random() < 0.4 or " " not in other:
        return other
    head, _, tail = other.rpartition(" ")
    return f"{words.name(rng)} {tail}" if rng.random() < 0.7 else f"{head} {rng.choice(words.PAPERS)}"


def items(rng: Random, today: str = "") -> list[Item]:
    """One to six results, as the search tool writes them: about 1,600 characters, snippets cut at a word's end."""
    found: list[Item] = []
    days = _days(rng, today or words.day(rng))
    room = rng.choice((300, 600, 1000, 1600))
    for _ in range(rng.choices((1, 2, 3, 4, 5, 6), (2, 3, 4, 4, 8, 1))[0]):
        title = _title(rng, found)
        text = snippet(rng, rng.randint(1, 5))
        if rng.random() < 0.6:
            text = f"{_retold(rng, title)} {text}" if rng.random() < 0.6 else _retold(rng, title)
        limit = rng.choice((12, 24, 40))
        if len(text.split()) > limit:
            text = " ".join(text.split()[:limit]) + "..."
        source = _source(rng, found)
        if rng.random() < 0.9:
            source += f" · {rng.choice(days)}"
        found.append((title, source, text))
        room -= len(text) + 90
        if room < 0:
            break
    return found


def first_sentence(text: str) -> str:
    head, dot, _ = text.partition(". ")
    return head + dot.strip()


def block(n: int, found: Item) -> str:
    title, source, text = found
    return f"### [{n}] {title}\nSource: {source}\n{first_sentence(text)}"


def digest(heading: str, listed: list[Item]) -> str:
    body = "\n\n".join(block(n, found) for n, found in enumerate(listed, 1))
    return f"{heading}\n\n{body}"


def _ask_date(rng: Random, listed: str) -> str:
    return rng.choice(
        (
            f"The user wants a news report about {listed}. First I need today's date, so I call date.",
            f"This is a news report on {listed}. I do not know today's date. I will call date first.",
            f"To report today's news about {listed} I first need the date. I call the date tool.",
        )
    )


def _ask_search(rng: Random, today: str, listed: str) -> str:
    return rng.choice(
        (
            f"Today is {today}. Now I search for {listed} news.",
            f"The date is {today}. Next I search the web for {listed} news of this day.",
            f"It is {today}. I can now search for the news about {listed}.",
        )
    )


def _ready(rng: Random, today: str) -> str:
    return rng.choice(
        (
            f"I have the results. I write the report for {today} with each title and source.",
            f"The search gave results. Now I write the report for {today} and copy the titles and sources.",
            f"Now I can write the report of {today}. I use only what the results say.",
        )
    )


def _tools(rng: Random) -> list[Tool]:
    made = [date_tool(rng), search_tool(rng)]
    if rng.random() < 0.2:
        made.insert(rng.randint(0, 2), coined_tool(rng))
    elif rng.random() < 0.15:
        made.reverse()
    return made


def _topics(rng: Random) -> list[str]:
    """One to three; two of three times words that stand in no list of topics, so that they have to be copied."""
    many = rng.randint(1, 3)
    if rng.random() < 0.35:
        return rng.sample(words.TOPICS, many)
    drawn: dict[str, None] = {}
    for _ in range(many):
        any_word, coined = words.any_word(rng), words.coined(rng, 2, 3)
        drawn[rng.choice((any_word, any_word, rng.choice(words.NOUNS), coined))] = None
    return list(drawn)


def _opening(rng: Random) -> tuple[list[Message], list[str]]:
    """The system and user messages, and the topics."""
    if rng.random() < 0.45:
        return [system(ANALYST), user(SEED_REQUEST)], ["technology", "economy", "society"]
    topics = _topics(rng)
    messages: list[Message] = []
    if rng.random() < 0.7:
        messages.append(system(ANALYST if rng.random() < 0.4 else rng.choice(SYSTEMS)))
    return [*messages, user(_request(rng, topics))], topics


def news(rng: Random) -> Row:
    """The whole loop; now and then the search finds nothing, or the date tool fails."""
    messages, topics = _opening(rng)
    listed, today, time = _listing(topics), words.day(rng), words.clock(rng)
    style = rng.choices(STYLES, (4, 5, 1, 2))[0]
    thinking = style == "kimi-k2-thinking" or rng.random() < 0.93
    query = f"{' '.join(topics)} news {today}"
    found = items(rng, today)
    loop = [
        calls(_ask_date(rng, listed), 0, ("date", compact({"operation": "time"}))),
        result("date", 0, f"{today} {time}" + rng.choice(("", "", "", " UTC"))),
        calls(_ask_search(rng, today, listed), 1, ("web_search", compact({"query": query}))),
    ]
    if rng.random() < 0.04:
        loop += [
            result(
                "web_search",
                1,
                rng.choice(
                    (f'No results for "{query}".', f'No results for "{query}".', "Error: the search is not available.")
                ),
            ),
            says(
                "The search gave no results, so I cannot report news. I say so.",
                f"I searched for {listed} news of {today}, but the search gave no results. "
                "I cannot write a report without sources.",
            ),
        ]
    else:
        loop += [
            result("web_search", 1, results(query, found)),
            says(_ready(rng, today), digest(f"# Daily News Report, {today}", found)),
        ]
    row = Row(messages + loop, _tools(rng), style, thinking)
    if loop[-1]["content"].startswith("#"):
        row.facts = tuple(part for title, source, _ in found for part in (title, source))
    else:
        row.facts = ("no results",)
    return row if thinking else without_thoughts(row)


def without_thoughts(row: Row) -> Row:
    for message in row.messages:
        if message["role"] == "assistant":
            message["reasoning_content"] = ""
    return row
