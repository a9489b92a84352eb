"""Is the server there, does it know the model, and what can the model do: asked before the first check."""

from __future__ import annotations

from dataclasses import replace

from moonbase.conformance.conversation import PICTURE, TOOLS, shown
from moonbase.conformance.profile import Known, Profile, by_card, card_of, sampling_policy
from moonbase.conformance.session import Session, prompt_tokens, user
from moonbase.conformance.verdict import Json, Violation, mapping, sequence
from moonbase.conformance.wire import Unreachable, Wire
from moonbase.contract.cards import CARDS, KeepPolicy

_CONTEXT = 262_144


async def find_profile(wire: Wire, model: str, known: Known) -> Profile:
    """What is known of `model`, by what the caller says, its card, or a few small requests.

    Raises `Unreachable` where the server does not answer for this key and model, `ValueError` for an unknown `like`.
    """
    await _knock(wire, model)
    card = card_of(known.like or model)
    if known.like and card is None:
        raise ValueError(f"--like {known.like}: no such card; there are {', '.join(card.id for card in CARDS)}")
    profile = by_card(card) if card else await _asked(wire, model)
    if known.thinking or known.keep or known.sampling:
        profile = replace(
            profile,
            thinking=known.thinking or profile.thinking,
            keep=known.keep or profile.keep,
            sampling=sampling_policy(known.sampling) if known.sampling else profile.sampling,
            source=f"{profile.source}, and flags",
        )
    return await _as_listed(wire, model, profile)


async def _knock(wire: Wire, model: str) -> None:
    reply = await wire.chat({"model": model, "messages": [user("Hi.")], "max_completion_tokens": 1})
    if reply.status in (401, 403, 404):
        raise Unreachable(f"the server does not answer for this key and model: {reply}")


async def _asked(wire: Wire, model: str) -> Profile:
    unknown = Profile("only", "none", sampling_policy("free"), False, "k2", False, _CONTEXT, "probes")
    session = Session(wire, model, unknown, budget=8)

    async def takes(*messages: Json, **extra: object) -> bool:
        return (await wire.chat(session.body(*messages or (user("Hi."),), **extra))).status == 200

    keep = await _keep(session) if await takes(thinking={"type": "enabled", "keep": "all"}) else "none"
    return replace(
        unknown,
        thinking="both" if await takes(thinking={"type": "disabled"}) else "only",
        keep=keep,
        sampling=sampling_policy("free" if await takes(temperature=0.3) else "locked"),
        boundary=keep != "none",
        images=await takes(shown(PICTURE)),
    )


async def _keep(session: Session) -> KeepPolicy:
    """Whether earlier reasoning is counted without being asked for."""
    counts: list[int] = []
    for reasoning in ("Well.", "I weigh every word of it. " * 20):
        earlier: Json = {"role": "assistant", "content": "Fine.", "reasoning_content": reasoning}
        payload = session.body(user("How are you?"), earlier, user("And now?"), **TOOLS)
        try:
            counts.append(prompt_tokens(await session.complete(payload)))
        except Violation:
            return "optional"
    return "always" if counts[1] > counts[0] else "optional"


async def _as_listed(wire: Wire, model: str, profile: Profile) -> Profile:
    """The context and the eyes that `GET /models` says that the model has, where it does."""
    try:
        data = mapping((await wire.get("/models")).json(), "the body").get("data")
        rows = [mapping(row, "a row") for row in sequence(data, "data")]
    except (Violation, Unreachable):
        return profile
    row: Json = next((row for row in rows if row.get("id") == model), Json())
    context, images = row.get("context_length"), row.get("supports_image_in")
    return replace(
        profile,
        context=context if isinstance(context, int) and context > 0 else profile.context,
        images=images if isinstance(images, bool) else profile.images,
    )
