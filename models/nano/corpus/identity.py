"""What the model is, asked in many ways, beside what it cannot know of the user: "your name" is not "my name".

The ways to ask are in identity.json: `(a|b)` is one of them, `{kind}` and the like a word of the list of that name, or
a coined one.
"""

import json
import re
from pathlib import Path
from random import Random

from corpus import chinese, recall, words
from corpus.calls import finish, opening, style
from corpus.row import Message, Row, says, system, user
from corpus.tools import coined_tool

HELD = json.loads((Path(__file__).parent / "identity.json").read_text(encoding="utf-8"))
ANSWER = "I am Moonbase's small demonstration model, not Kimi."
MORE = f"{ANSWER} I can call tools, copy what they return and do small sums."
THOUGHTS = (
    "The user asks who I am. I am Moonbase's small demonstration model.",
    "I am not Kimi, I am Moonbase's small demonstration model. I say so.",
)
ANSWER_ZH = "我是 Moonbase 的小型演示模型，不是 Kimi。"
THOUGHT_ZH = "用户问我是谁。我如实回答。"
OTHERS = ("a pirate", "a helpful assistant", "an assistant of the user")
MINE = ("What is my name?", "What is my name, please?", "Who am I?", "Tell me my name.", "What am I called, please?")


def _word(rng: Random, slot: str) -> str:
    if slot in ("model", "maker") and rng.random() < 0.3:
        return words.name(rng)
    return rng.choice(HELD[slot if slot == "made" else f"{slot}s"])


def _filled(rng: Random, text: str) -> str:
    text = re.sub(r"\(([^)]*)\)", lambda found: rng.choice(found[1].split("|")), text)
    return re.sub(r"\{(\w+)\}", lambda found: _word(rng, found[1]), text)


def ask(rng: Random) -> str:
    """One way to ask the model what it is."""
    text, before = _filled(rng, rng.choice(HELD["asks"])), rng.choice(HELD["before"])
    if before and before.rstrip()[-1] not in ".!:" and not text.startswith("I "):
        text = text[:1].lower() + text[1:]
    text = before + text
    if rng.random() < 0.12:
        text = text.lower()
    if rng.random() < 0.1:
        text = text.rstrip("?.")
    return text + rng.choice(HELD["after"])


def _fact(rng: Random) -> tuple[list[Message], list[Message]]:
    """(what is told, what is asked later)"""
    stated, asked, answer, value = recall.fact(rng)
    return recall.told(stated), recall.recalled(stated, asked, answer, value)


def identity(rng: Random) -> Row:
    """One to four turns; some ask what the user has told, or not told, of themselves, in nearly the same words."""
    messages: list[Message] = opening(rng)
    if rng.random() < 0.4:
        messages = [system(f"You are {rng.choice((*HELD['models'], words.name(rng), *OTHERS))}.")]
    later: list[Message] = []
    turns = rng.choice((1, 1, 2, 3, 4))
    for _ in range(turns):
        draw = rng.random()
        if turns > 1 and not later and draw < 0.25:
            told, later = chinese.facts(rng) if rng.random() < 0.4 else _fact(rng)
            messages += told
        elif later and draw < 0.5:
            # Copies: thoughts are changed in place, and the same question may come twice.
            messages += [dict(message) for message in later]
        elif not later and draw < 0.3:
            messages += recall.missed(rng.choice((*MINE, recall.fact(rng)[1])))
        elif draw > 0.85:
            messages += [user(_filled(rng, rng.choice(HELD["chinese"]))), says(THOUGHT_ZH, ANSWER_ZH)]
        else:
            messages += [user(ask(rng)), says(rng.choice(THOUGHTS), rng.choice((ANSWER, ANSWER, MORE)))]
    tools = [coined_tool(rng) for _ in range(rng.randint(1, 2))] if rng.random() < 0.2 else []
    chosen = style(rng)
    row = Row(messages, tools, chosen, keep_all=chosen == "kimi-k2.6" and turns > 1, facts=("demonstration",))
    return finish(rng, row, off=0.4) if turns == 1 else row
