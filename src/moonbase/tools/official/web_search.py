"""`moonshot/web-search:latest`: search results as a short text for the model (contract.md 6.2)."""

from __future__ import annotations

from collections.abc import Sequence

from moonbase.contract.tools import Function
from moonbase.tools.search.passages import cut_words
from moonbase.tools.search.provider import CLASSES, SearchProvider, SearchResult
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError

URI = "moonshot/web-search:latest"
MAX_RESULTS = 5
MAX_QUERY = 2_000  # characters; longer "queries" are pasted documents
_MAX_TEXT = 1_600  # characters of the whole answer: five results must fit the context of a small model
_SNIPPET_WORDS = 40

FUNCTION = Function(
    name="web_search",
    description="Search the web for news and information.",
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to search for"},
            "classes": {
                "type": "array",
                "items": {"type": "string", "enum": list(CLASSES)},
                "description": "Kinds of sources, default all",
            },
        },
        "required": ["query"],
    },
)


def web_search_formula(search: SearchProvider) -> Formula:
    """The search tool over any provider. Its output is sealed, as on the hosted platform."""

    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        query = _line(arguments["query"])
        if not query:
            raise ToolError("query is empty; write what to search for")
        if len(query) > MAX_QUERY:
            raise ToolError(f"query has {len(query)} characters; at most {MAX_QUERY} are allowed")
        results = await (context.search or search).search(
            query, tuple(arguments.get("classes") or ("all",)), MAX_RESULTS
        )
        return render_results(query, results)

    return Formula(uri=URI, functions=(FUNCTION,), run=run, protected=True)


def render_results(query: str, results: Sequence[SearchResult]) -> str:
    """The text that the model reads: at most five results and about 1,600 characters."""
    shown_query = _cut(_line(query), 200)
    if not results:
        return f'No results for "{shown_query}".'
    count = min(len(results), MAX_RESULTS)
    # Shorter snippets first, fewer results only then; titles and sources are what an answer quotes.
    layouts = [(kept, words) for kept in range(count, 0, -1) for words in range(_SNIPPET_WORDS, 11, -4)]
    texts = (_text(shown_query, results[:kept], words) for kept, words in layouts)
    return next((text for text in texts if len(text) <= _MAX_TEXT), _text(shown_query, results[:1], 12))


def _text(query: str, results: Sequence[SearchResult], words: int) -> str:
    entries = [_entry(number, result, words) for number, result in enumerate(results, start=1)]
    return "\n\n".join([f'Search results for "{query}":', *entries])


def _entry(number: int, result: SearchResult, words: int) -> str:
    source = _cut(_line(result.source), 60) or "unknown"
    dated = f"{source} · {_line(result.date)[:10]}" if result.date else source
    title = _cut(_line(result.title), 120) or "Untitled"
    return f"[{number}] {title}\nSource: {dated}\n{cut_words(_line(result.snippet), words)}".rstrip()


def _line(text: str) -> str:
    """One line: a title with a newline in it could pass for another result."""
    return " ".join(text.split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3].rstrip()}..."
