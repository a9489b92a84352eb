"""Reading GGUF headers, whole and broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from moonbase.contract.errors import SettingsError
from moonbase.engines.llama.engine import load_order
from moonbase.engines.llama.gguf_metadata import GgufError, Metadata, parse
from moonbase.engines.llama.memory import plan_context
from moonbase.engines.llama.model import GgufModel, read_model
from moonbase.engines.llama.settings import LlamaSettings
from tests.engines import gguf_fixture


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_fixture.write_random(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path: Path) -> GgufModel:
    return read_model(str(path))


def test_the_facts_of_a_model(model: GgufModel, path: Path) -> None:
    shape = gguf_fixture.Shape()
    assert (model.name, model.architecture) == ("tiny", "llama")
    assert model.context_length == shape.context
    assert model.vocabulary_size == shape.vocabulary
    assert model.chat_template == gguf_fixture.TEMPLATE
    assert model.file_bytes == path.stat().st_size
    per_layer = 4 * shape.width**2 + 3 * shape.width * shape.inner + 2 * shape.width
    assert model.parameters == 2 * shape.vocabulary * shape.width + shape.width + shape.layers * per_layer
    assert model.cell_bytes == 2 * shape.layers * 2 * shape.width
    assert (model.add_bos, model.space_prefix) == (False, False)


def test_the_special_tokens_of_a_model(model: GgufModel) -> None:
    texts = {token.text: token.kind for token in model.special_tokens}
    assert texts == dict.fromkeys(gguf_fixture.CONTROL, "control") | dict.fromkeys(
        gguf_fixture.USER_DEFINED, "user_defined"
    )
    assert model.special_text(model.eos_id) == gguf_fixture.END
    assert model.special_text(model.eot_id) == gguf_fixture.EOT
    assert model.special_id("<think>") == gguf_fixture.vocabulary(400)[0].index("<think>")
    assert model.special_id("no mark") is None


def test_a_header_that_is_cut_off_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    whole = parse(data)
    refused = [length for length in [*range(64), *range(64, len(data), 97)] if not _same(data[:length], whole)]
    assert refused == [length for length in [*range(64), *range(64, len(data), 97)] if length <= refused[-1]]
    assert refused[-1] > 4000, "every cut inside the header is refused, up to its end"


def _same(data: bytes, whole: Metadata) -> bool:
    try:
        return parse(data) == whole
    except GgufError:
        return False


def test_a_header_with_any_byte_changed_never_does_worse_than_refuse(path: Path) -> None:
    data = path.read_bytes()[:20_000]
    for at in range(0, 2000, 3):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        try:
            parse(bytes(broken))
        except GgufError as error:
            assert str(error)


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (b"PK\x03\x04" + bytes(60), "GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version is 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string("key") + struct.pack("<I", 77), "unknown type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string("key") + struct.pack("<IIQ", 9, 8, 1 << 60), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string("key") + struct.pack("<IIQ", 9, 4, 1 << 62), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + string("tensor") + struct.pack("<I", 4_000_000), "dimensions"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, why: str) -> None:
    with pytest.raises(GgufError, match=why):
        parse(data)


def test_deeply_nested_arrays_are_refused() -> None:
    nested = struct.pack("<IQ", 9, 1) * 5000
    with pytest.raises(GgufError, match="nested"):
        parse(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string("key") + struct.pack("<I", 9) + nested)


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"", "empty"), (b"hello, I am text", "GGUF")])
def test_a_file_that_is_no_model_is_a_settings_error(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=why) as caught:
        read_model(str(file))
    assert str(file) in str(caught.value)


def test_a_folder_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_model(str(tmp_path))


def test_the_context_is_the_models_own(model: GgufModel) -> None:
    assert plan_context(LlamaSettings(model="m"), model, memory=8 << 30) == model.context_length


def test_the_context_is_capped_by_memory(model: GgufModel) -> None:
    bound = 1000 * model.cell_bytes
    assert plan_context(LlamaSettings(model="m", cache_bytes=bound), model, memory=8 << 30) == 768
    assert plan_context(LlamaSettings(model="m"), model, memory=4 * bound) == 768


def test_a_model_that_cannot_fit_is_refused(model: GgufModel) -> None:
    with pytest.raises(SettingsError, match="smaller context"):
        plan_context(LlamaSettings(model="m", context=1 << 20), model, memory=1 << 28)


def test_idle_slots_are_emptied_where_main_memory_keeps_all_that_they_held(path: Path, model: GgufModel) -> None:
    whole = model.context_length * model.cell_bytes
    for memory, moves in ((whole, True), (whole - 1, False), (0, False)):
        assert load_order(LlamaSettings(model=str(path), saved_prompts_bytes=memory), model).moves_idle is moves


@pytest.mark.parametrize("wrong", [{"context": 1}, {"slots": 0}, {"threads": 0}, {"batch": 1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        LlamaSettings(model="m", **wrong).check()  # pyright: ignore[reportArgumentType]
