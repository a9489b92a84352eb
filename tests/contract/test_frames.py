"""The types of a stream's frames say what `ChunkWriter` writes, and all of it (contract.md 2.4, 2.5)."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.contract.chunks import ChunkWriter
from moonbase.contract.events import Event
from moonbase.contract.frames import Chunk
from tests.contract.answers import answers


@given(events=answers(), boundary=st.booleans(), continuous=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_frame_is_a_chunk_and_nothing_of_it_is_lost(
    events: list[Event], boundary: bool, continuous: bool
) -> None:
    writer = ChunkWriter(id="c", created=7, model="m", boundary=boundary, continuous=continuous)
    written = [frame for event in events for frame in writer.write(event)]
    for frame in [*written, writer.summary()]:
        chunk = msgspec.json.decode(frame, type=Chunk)
        assert json.loads(msgspec.json.encode(chunk)) == json.loads(frame)
