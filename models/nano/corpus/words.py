"""Words, names and little texts drawn at random, so that the model has to copy them instead of knowing them."""

import json
from pathlib import Path
from random import Random


def _lists() -> dict[str, list[str]]:
    held = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))
    return {key: " ".join(lines).split() for key, lines in held.items()}


LISTS = _lists()
NOUNS, ADJECTIVES, VERBS, FUNCTIONS = (LISTS[key] for key in ("nouns", "adjectives", "verbs", "functions"))
CITIES, PEOPLE, TOPICS = (LISTS[key] for key in ("cities", "people", "topics"))
OBJECTS, COLORS, ANIMALS = (LISTS[key] for key in ("objects", "colors", "animals"))
ONSETS, RIMES = LISTS["onsets"], LISTS["rimes"]
STARTS, PARTS = LISTS["word_starts"], LISTS["word_parts"]
RARE_STARTS, RARE_PARTS, NEWS_WORDS = LISTS["rare_starts"], LISTS["rare_parts"], LISTS["news_words"]
PREFIXES, STEMS, SUFFIXES = LISTS["prefixes"], LISTS["stems"], LISTS["suffixes"]
PAPERS = ("Times", "Post", "Daily", "Wire", "Herald", "Journal", "News", "Tribune", "Gazette", "Review")
THE_PAPERS = ("Observer", "Standard", "Register", "Mail", "Chronicle")
MAGAZINES = ("Science", "Technology", "Economy", "Business", "Today", "Press", "Weekly", "Online")


def formed(rng: Random) -> str:
    """A word that looks English because its parts are: `reportation`."""
    start = rng.choice(PREFIXES) if rng.random() < 0.6 else ""
    return start + rng.choice(STEMS) + (rng.choice(SUFFIXES) if rng.random() < 0.8 else "")


def coined(rng: Random, low: int = 1, high: int = 3) -> str:
    """A word that no list holds, such as `straxen`; now and then a part comes again: `lenlenbor`."""
    parts = [rng.choice(ONSETS) + rng.choice(RIMES) for _ in range(rng.randint(low, high))]
    if len(parts) > 1 and rng.random() < 0.2:
        parts[rng.randrange(len(parts))] = rng.choice(parts)
    return "".join(parts)


def integer(rng: Random) -> int:
    """Up to four digits, often the same one several times: `8777`."""
    if rng.random() < 0.7:
        return rng.choice((rng.randint(0, 9), rng.randint(10, 99), rng.randint(100, 9999)))
    digits = rng.choices("0123456789", k=2)
    return int("".join(rng.choice(digits) for _ in range(rng.randint(2, 4))))


def again(rng: Random, text: str) -> str:
    """`text` with a word, or a part of it, twice: what is copied must not run in a circle."""
    parts = text.split(" ")
    at = rng.randrange(len(parts))
    draw = rng.random()
    if draw < 0.3:
        parts[at] += parts[at]
    elif draw < 0.45:
        parts[at] = f"{parts[at]} {parts[at]}"
    else:
        for place in sorted(rng.sample(range(len(parts) + 1), min(len(parts), rng.choice((1, 1, 2)))), reverse=True):
            parts.insert(place, parts[at if at < len(parts) else -1])
    return " ".join(parts)


def some(rng: Random, low: int, high: int) -> str:
    """Words one after the other, now and then one of them twice."""
    text = " ".join(any_word(rng) for _ in range(rng.randint(low, high)))
    return again(rng, text) if rng.random() < 0.12 else text


def name(rng: Random) -> str:
    """A proper name: mostly coined, sometimes a real first name or city."""
    draw = rng.random()
    if draw < 0.55:
        return coined(rng, 2, 3).capitalize()
    return rng.choice(PEOPLE if draw < 0.75 else CITIES)


def number(rng: Random) -> str:
    """A number as news texts write it."""
    return rng.choice(
        (
            str(rng.randint(2, 99)),
            str(rng.randint(100, 9999)),
            f"{rng.randint(1, 99)}.{rng.randint(1, 9)}",
            f"{rng.randint(1, 999)},{rng.randint(0, 999):03d}",
            f"{rng.randint(2, 90)}%",
            f"${rng.randint(1, 90)} billion",
            f"{rng.randint(2, 90)} million",
        )
    )


def pieced(rng: Random) -> str:
    """A word of pieces of the vocabulary, so that every token has to be copied at times: `Monday`, `fourture`."""
    parts = [rng.choice(PARTS) for _ in range(rng.choice((1, 1, 2)))]
    start = rng.choice(STARTS) if rng.random() < 0.7 else ""
    return start + "".join(parts) if rng.random() < 0.8 else f"{start}-{''.join(parts)}"


def rare(rng: Random) -> str:
    """A word with one of the tokens that the copying heads were found to miss."""
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(RARE_STARTS)
    start = rng.choice(STARTS) if draw < 0.75 else rng.choice("SCABMTPHkcsthbmp") if draw < 0.92 else "open-"
    return start + rng.choice(RARE_PARTS)


def any_word(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.36:
        return pieced(rng) if draw < 0.06 else rare(rng) if draw < 0.26 else rng.choice(NEWS_WORDS)
    draw = rng.random()
    if draw < 0.22:
        return rng.choice(NOUNS)
    if draw < 0.30:
        return rng.choice(ADJECTIVES)
    if draw < 0.37:
        return rng.choice(VERBS)
    if draw < 0.52:
        return coined(rng)
    if draw < 0.70:
        return formed(rng)
    if draw < 0.86:
        return rng.choice(FUNCTIONS)
    if draw < 0.94:
        return name(rng)
    if draw < 0.96:
        return number(rng)
    if draw < 0.98:
        return f"{rng.choice(NOUNS + FUNCTIONS)}-{rng.choice(NOUNS + ADJECTIVES)}"
    if draw < 0.985:
        return f'"{name(rng)}"'
    return coined(rng, 1, 1).upper()


def clause(rng: Random) -> str:
    """A piece of a sentence, between four and fourteen words."""
    if rng.random() < 0.5:
        return " ".join(any_word(rng) for _ in range(rng.randint(4, 12)))

    def pick(listed: tuple[str, ...] | list[str]) -> str:
        return rng.choice(listed) if rng.random() < 0.8 else formed(rng)

    n, a, v = (lambda: pick(NOUNS)), (lambda: pick(ADJECTIVES)), (lambda: pick(VERBS))
    return rng.choice(
        (
            lambda: f"{name(rng)} {n()} {v()} {a()} {n()} in {name(rng)}",
            lambda: f"{a()} {n()} {v()} {n()} after {n()} {v()} {number(rng)}",
            lambda: f"{name(rng)} {v()} {n()} of {number(rng)} for {a()} {n()}s",
            lambda: f"the {n()} {v()} the {a()} {n()}, {name(rng)} says",
            lambda: f"{n()}s and {n()}s {v()} at {name(rng)}'s {n()} {n()}",
            lambda: f"{coined(rng)}-{n()} {n()} {v()} {number(rng)} {n()}s by {rng.randint(2020, 2035)}",
        )
    )()


def title(rng: Random) -> str:
    text = clause(rng)
    if rng.random() < 0.2:
        text = f"{name(rng)}: {text}"
    if rng.random() < 0.35:
        text = " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    return text[:1].upper() + text[1:]


def sentence(rng: Random) -> str:
    text = clause(rng)
    if rng.random() < 0.3:
        text = f"{text} {rng.choice(FUNCTIONS)} {any_word(rng)} {any_word(rng)}"
    return text[:1].upper() + text[1:] + "."


def source(rng: Random) -> str:
    city, coin = name(rng), coined(rng, 1, 2)
    return rng.choice(
        (
            f"{city} {rng.choice(PAPERS)}",
            f"The {city} {rng.choice(THE_PAPERS)}",
            f"{coin}.{rng.choice(('example', 'com', 'org', 'net'))}",
            f"{coin.capitalize()} {rng.choice(MAGAZINES)}",
            f"{any_word(rng).capitalize()} {any_word(rng).capitalize()} {rng.choice(PAPERS + THE_PAPERS)}",
            f"{rng.choice(NOUNS).capitalize()} {rng.choice(NOUNS).capitalize()}",
            coin.upper(),
        )
    )


def day(rng: Random) -> str:
    return f"{rng.randint(2019, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def clock(rng: Random) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"


def identifier(rng: Random) -> str:
    """A tool's or parameter's name in snake case."""
    first, second = (
        rng.choice(STARTS).lower() + rng.choice(PARTS) if rng.random() < 0.3 else rng.choice(NOUNS + OBJECTS)
        for _ in range(2)
    )
    return rng.choice((first, f"{first}_{second}", f"{coined(rng)}_{second}", coined(rng, 2, 3)))
