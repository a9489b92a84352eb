"""What was said, or thought, earlier: repeated, looked up, and missed when it was not kept."""

from random import Random

from corpus import words
from corpus.calls import finish, opening, style
from corpus.row import Message, Row, says, user


def echo(rng: Random) -> Row:
    """Several texts to repeat in one row; thoughts are kept, so that every turn is learned."""
    messages = opening(rng)
    for _ in range(rng.randint(1, 4)):
        text = (
            words.sentence(rng)
            if rng.random() < 0.4
            else " ".join(words.any_word(rng) for _ in range(rng.randint(1, 14)))
        )
        if rng.random() < 0.16:
            text = _long(rng)
        if rng.random() < 0.3:
            text = words.again(rng, text)
        if rng.random() < 0.15:
            text = "".join(
                rng.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_/.:,") for _ in range(rng.randint(4, 24))
            )
        ask = rng.choice(
            (
                f"Repeat: {text}",
                f"Say exactly: {text}",
                f'Repeat: "{text}"',
                f'Echo "{text}"',
                f'Repeat after me: "{text}"',
                f"Please repeat this:\n{text}",
                f"Repeat this text:\n\n{text}",
            )
        )
        messages += [user(ask), says(rng.choice(("I repeat the text.", "The user wants the text back.")), text)]
    chosen = style(rng)
    row = Row(messages, [], chosen, keep_all=chosen != "kimi-k2-thinking" or rng.random() < 0.5)
    return finish(rng, row) if len(messages) < 4 else row


def _long(rng: Random) -> str:
    """Sentences, or words of which some come again, each time before another: what follows them is to be told apart."""
    if rng.random() < 0.5:
        return rng.choice((" ", " ", " ", "\n")).join(words.sentence(rng) for _ in range(rng.randint(2, 8)))
    pool = [words.any_word(rng) for _ in range(rng.randint(12, 60))]
    return " ".join(rng.choice(pool) for _ in range(rng.randint(15, 60)))


def fact(rng: Random) -> tuple[str, str, str, str]:
    """(what the user says, how it is asked back, the answer, its value)."""
    person, city, thing = words.name(rng), words.name(rng), rng.choice(words.OBJECTS)
    color, animal = rng.choice(words.COLORS), rng.choice(words.ANIMALS)
    count, code = str(rng.randint(2, 999)), f"{words.coined(rng)}{rng.randint(1, 99)}"
    noun, word = rng.choice(words.NOUNS), words.any_word(rng)
    return rng.choice(
        (
            (f"My name is {person}.", "What is my name?", f"Your name is {person}.", person),
            (f"I am {person}.", "Who am I?", f"You are {person}.", person),
            (f"My favorite color is {color}.", "What is my favorite color?", f"Your favorite color is {color}.", color),
            (f"I live in {city}.", "Where do I live?", f"You live in {city}.", city),
            (f"My {thing} is {color}.", f"What color is my {thing}?", f"Your {thing} is {color}.", color),
            (f"I have {count} {thing}s.", f"How many {thing}s do I have?", f"You have {count} {thing}s.", count),
            (f"The code is {code}.", "What is the code?", f"The code is {code}.", code),
            (f"My {animal} is called {person}.", f"What is my {animal} called?", f"It is called {person}.", person),
            (f"The secret word is {code}.", "What is the secret word?", f"The secret word is {code}.", code),
            (f"We meet in {city} at {count}.", "Where do we meet?", f"We meet in {city}.", city),
            (f"My {thing} is in {city}.", f"Where is my {thing}?", f"Your {thing} is in {city}.", city),
            (f"I am {count} years old.", "How old am I?", f"You are {count} years old.", count),
            (f"My {animal} is {count} years old.", f"How old is my {animal}?", f"It is {count} years old.", count),
            (f"My password is {code}.", "What is my password?", f"Your password is {code}.", code),
            (
                f"My favorite {noun} is {word}.",
                f"What is my favorite {noun}?",
                f"Your favorite {noun} is {word}.",
                word,
            ),
            (f"I work as a {word}.", "What is my job?", f"You work as a {word}.", word),
            (f"My sister is called {person}.", "What is my sister called?", f"Your sister is called {person}.", person),
            (f"The {noun} is called {word}.", f"What is the {noun} called?", f"The {noun} is called {word}.", word),
        )
    )


def told(stated: str) -> list[Message]:
    return [user(stated), says("The user tells me something. I keep it in mind.", "I will remember that.")]


def recalled(stated: str, asked: str, answer: str, value: str) -> list[Message]:
    return [user(asked), says(f'The user said: "{stated}" So the answer is {value}.', answer)]


def missed(asked: str) -> list[Message]:
    return [user(asked), says("The user has not told me that.", "You have not told me that.")]


def spelled(rng: Random) -> Row:
    """Single words to repeat: after a space and at the start of an answer a word has other tokens."""
    messages = opening(rng)
    for _ in range(rng.randint(3, 9)):
        start = rng.choice(words.STARTS) if rng.random() < 0.8 else words.any_word(rng)
        tail = rng.choice(words.PARTS) if rng.random() < 0.4 else ""
        text = " ".join([start + tail, *(words.any_word(rng) for _ in range(rng.choice((0, 0, 1, 2))))])
        if rng.random() < 0.5:
            text = text[:1].upper() + text[1:]
        ask = rng.choice((f"Repeat: {text}", f"Say exactly: {text}", f"Say {text}", f"Echo {text}", f"Repeat {text}"))
        messages += [user(ask), says(rng.choice(("I repeat the text.", "The user wants the text back.")), text)]
    chosen = style(rng)
    return Row(messages, [], chosen, keep_all=chosen == "kimi-k2.6" and rng.random() < 0.95)


def said(rng: Random) -> Row:
    """Facts from the user, asked back after zero to three turns of something else; some were never said."""
    if rng.random() < 0.12:
        return _never_said(rng)
    facts: dict[str, tuple[str, str, str]] = {}
    for _ in range(rng.randint(1, 3)):
        stated, asked, answer, value = fact(rng)
        facts.setdefault(asked, (stated, answer, value))
    messages: list[Message] = opening(rng)
    together = rng.random() < 0.4
    if together:
        messages += told(" ".join(stated for stated, _, _ in facts.values()))
    else:
        for stated, _, _ in facts.values():
            messages += told(stated)
    if rng.random() < 0.3:
        messages += [user("Thank you."), says("The user says thanks.", "You are welcome.")]
    for asked, (stated, answer, value) in rng.sample(sorted(facts.items()), rng.randint(1, len(facts))):
        messages += recalled(stated, asked, answer, value)
    if rng.random() < 0.2:
        _, asked, _, _ = fact(rng)
        if asked not in facts:
            messages += missed(asked)
    chosen = style(rng)
    return Row(messages, [], chosen, keep_all=chosen == "kimi-k2.6" and rng.random() < 0.7)


def _never_said(rng: Random) -> Row:
    messages = opening(rng)
    for _ in range(rng.randint(1, 3)):
        _, asked, _, _ = fact(rng)
        messages += missed(asked)
    chosen = style(rng)
    return Row(messages, [], chosen, keep_all=chosen == "kimi-k2.6", facts=("You have not told me that.",))


def thought(rng: Random) -> Row:
    """A word or number chosen in thought, asked for afterwards: known when thoughts are kept, otherwise not."""
    kind, pool = rng.choice(
        (
            ("number", None),
            ("color", words.COLORS),
            ("animal", words.ANIMALS),
            ("word", words.OBJECTS),
            ("city", words.CITIES),
        )
    )
    pick = str(rng.randint(1, 100)) if pool is None else rng.choice(pool)
    ask = rng.choice(
        (
            f"Think of a {kind}, but do not tell me.",
            f"Pick a {kind} in your thoughts and keep it secret.",
            f"Choose a secret {kind}.",
            f"Think of a {kind}.",
        )
    )
    back = rng.choice(
        (
            f"Which {kind} did you think of?",
            f"What is the {kind}?",
            f"Tell me the {kind} now.",
            f"Which {kind} did you choose?",
        )
    )
    messages = [
        *opening(rng),
        user(ask),
        says(f"I choose the {kind} {pick}. I do not tell it yet.", f"I have chosen a {kind}."),
    ]
    if rng.random() < 0.3:
        messages += [
            user(rng.choice(("Good.", "Thank you.", "Okay."))),
            says("The user agrees.", "Ask me when you want to know it."),
        ]
    row = Row(messages, [], rng.choices(("kimi-k2.6", "kimi-k2.7-code", "kimi-k2-thinking"), (6, 3, 1))[0])
    row.keep_all = row.style == "kimi-k2.6" and rng.random() < 0.7
    if row.keeps_thoughts:
        messages += [user(back), says(f"In my earlier thought I chose the {kind} {pick}.", f"The {kind} is {pick}.")]
    else:
        messages += [
            user(back),
            says(
                "My earlier thought was not kept, so I cannot see it.",
                f"My earlier thoughts were not kept, so I do not know the {kind}.",
            ),
        ]
    return row


def _short(rng: Random) -> str:
    """Two or three words: `An answer.`"""
    noun = rng.choice(("answer", "thought", "idea", "result", rng.choice(words.NOUNS), words.any_word(rng)))
    start = rng.choice(("A", "An", "The", "My", "One", "First", "This"))
    return f"{start} {rng.choice((noun, f'{rng.choice(words.ADJECTIVES)} {noun}'))}."


def going_on(rng: Random) -> Row:
    """`Please continue the analysis`: the earlier answer is taken up."""
    subject = rng.choice(
        (words.coined(rng, 2, 3), f"the {rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)}", f"{words.name(rng)}")
    )
    first = rng.choice(
        (
            "First question...",
            f"Please analyse {subject}.",
            f"What do you think about {subject}?",
            words.sentence(rng),
            "First question: " + words.clause(rng) + "?",
        )
    )
    answer = rng.choice(
        (words.sentence(rng), f"{words.sentence(rng)} {words.sentence(rng)}", f"About {subject}: {words.sentence(rng)}")
    )
    kept = rng.choice((words.sentence(rng), f"I look at {subject} first.", "First I collect what is known."))
    ask = rng.choice(
        ("Please continue the analysis and derive the next step.",) * 3
        + ("Please continue.", "Go on.", "What is the next step?", "Continue the analysis.")
    )
    if rng.random() < 0.35:
        kept, answer = rng.choice(
            (
                (
                    "<reasoning_content returned by the previous API call>",
                    "<final answer returned by the previous API call>",
                ),
                (words.title(rng), words.title(rng)),
                (f"<{words.clause(rng)}>", f"<{words.clause(rng)}>"),
            )
        )
    if rng.random() < 0.3:
        kept, answer = _short(rng), _short(rng)
    head, dot, _ = answer.partition(". ")
    start = head + dot.strip()
    chosen = rng.choices(("kimi-k2.6", "kimi-k2.7-code", "kimi-k2-thinking"), (6, 3, 1))[0]
    keep = chosen == "kimi-k2.6" and rng.random() < 0.75
    keeps = keep or chosen == "kimi-k2.7-code"
    recalled = f'My earlier thought was: "{kept}" ' if keeps else ""
    final = says(
        f'{recalled}My earlier answer was: "{start}" I continue from there.',
        f'So far: "{start}" The next step is to check this on one example, and then to write down what follows '
        "from it.",
    )
    return Row(
        [*opening(rng), user(first), says(kept, answer), user(ask), final], [], chosen, keep_all=keep, last_only=True
    )
