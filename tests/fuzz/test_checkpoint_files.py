"""Files of a checkpoint that somebody hostile or careless wrote: read, or refused by name; nothing else happens."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.files import weight_map
from plugins.gpt2.checkpoint.pickle_file import open_pickle
from plugins.gpt2.checkpoint.safetensors_file import open_safetensors
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer

SIZES = st.one_of(st.integers(-2, 40), st.sampled_from([2**31, 2**63, 2**64, 10**30]), st.booleans(), st.floats())
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "f32", ""]) | JSON,
        "shape": st.lists(SIZES, max_size=4) | JSON,
        "data_offsets": st.lists(SIZES, min_size=2, max_size=2) | JSON,
        "extra": JSON,
    },
)
NAMES = st.sampled_from(["wte.weight", "h.0.attn.bias", "__metadata__", "../../x", "a" * 300]) | st.text(max_size=8)
DEEP = st.integers(1, 200_000).map(lambda depth: b"[" * depth)
ANY_BYTES = st.binary(max_size=200)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def refused(error: CheckpointError, path: Path) -> None:
    """A refusal names a file of the folder, or what in it, and can be read by a person."""
    assert str(path.parent) in str(error) or "merge" in str(error) or "token" in str(error)
    assert len(str(error)) < 5000


@st.composite
def safetensors(draw: st.DrawFn) -> bytes:
    header = draw(
        st.one_of(
            st.dictionaries(NAMES, ENTRIES | JSON, max_size=4).map(lambda value: json.dumps(value).encode()),
            JSON.map(lambda value: json.dumps(value).encode()),
            ANY_BYTES,
            DEEP,
        )
    )
    length = draw(st.just(len(header)) | st.sampled_from([0, 1, 2**20, 2**40, 2**63, 2**64 - 1]) | st.integers(0, 300))
    return length.to_bytes(8, "little") + header + draw(ANY_BYTES)


@given(content=safetensors() | ANY_BYTES)
def test_a_safetensors_file_is_read_or_refused(content: bytes, write: Callable[[str, bytes], Path]) -> None:
    path = write("model.safetensors", content)
    try:
        file = open_safetensors(path)
    except CheckpointError as error:
        refused(error, path)
        return
    for ref in file.tensors.values():  # whatever was accepted lies within the file
        assert 8 <= ref.offset <= ref.offset + ref.nbytes <= len(content)
        assert len(ref.raw(0, ref.nbytes)) == ref.nbytes


TOKENS = st.text("abĠĊ<|>é", max_size=4)
VOCABS = st.dictionaries(TOKENS, SIZES | SCALARS, max_size=8).map(lambda value: json.dumps(value).encode())
MERGES = st.lists(TOKENS.flatmap(lambda one: TOKENS.map(lambda two: f"{one} {two}")), max_size=6).map(
    lambda lines: "\n".join(["#version: 0.2", *lines]).encode()
)
ADDED = st.fixed_dictionaries(
    {}, optional={"content": TOKENS | JSON, "id": SIZES | JSON, "special": JSON, "lstrip": JSON}
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "tokenizer_class": st.sampled_from(["GPT2Tokenizer", "GPT2TokenizerFast", "BertTokenizer"]) | JSON,
        "bos_token": TOKENS | ADDED | JSON,
        "add_bos_token": st.booleans() | JSON,
        "additional_special_tokens": st.lists(TOKENS | ADDED) | JSON,
        "added_tokens_decoder": st.dictionaries(st.sampled_from(["1", "300", "x", "9" * 30]), ADDED | JSON) | JSON,
        "chat_template": JSON,
        "ab": SIZES,
    },
)
ALPHABET: dict[str, int] = json.loads((Path(__file__).parents[2] / "plugins/gpt2/mini/vocab.json").read_text())


@given(
    vocab=VOCABS | JSON.map(lambda value: json.dumps(value).encode()) | ANY_BYTES | DEEP,
    merges=MERGES | ANY_BYTES,
    full=st.booleans(),
    size=st.none() | st.integers(0, 60_000),
    ends=st.lists(st.integers(0, 60_000), max_size=2),
    beside=st.dictionaries(
        st.sampled_from(["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]), SETTINGS | JSON
    ),
)
def test_a_vocabulary_is_read_or_refused(
    vocab: bytes,
    merges: bytes,
    full: bool,
    size: int | None,
    ends: list[int],
    beside: dict[str, Any],
    write: Callable[[str, bytes], Path],
) -> None:
    # Half of them start from a vocabulary that is right, so that what is wrong with the merges is reached too.
    path = write("vocab.json", json.dumps(ALPHABET).encode() if full else vocab)
    write("merges.txt", merges)
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        write(name, json.dumps(beside.get(name, {})).encode())
    try:
        tokenizer = load_tokenizer(path.parent, vocab_size=size, ends=ends)
        tokens = tokenizer.encode("ab é <|endoftext|>")
    except CheckpointError as error:
        refused(error, path)
        return
    if not beside:
        assert tokenizer.decode_bytes(tokens).decode() == "ab é <|endoftext|>"


BPE = st.fixed_dictionaries({}, optional={"type": st.just("BPE"), "vocab": JSON, "merges": JSON})
PROCESSORS = st.fixed_dictionaries(
    {"type": st.sampled_from(["ByteLevel", "TemplateProcessing", "RobertaProcessing", "Sequence", "Other"])},
    optional={"single": JSON, "special_tokens": JSON, "cls": JSON, "sep": JSON, "processors": JSON},
)
WHOLE = st.fixed_dictionaries({"vocab": st.just(ALPHABET), "merges": st.just([])})
TOKENIZERS = st.fixed_dictionaries(
    {"pre_tokenizer": st.just({"type": "ByteLevel"}) | JSON},
    optional={"model": JSON | BPE | WHOLE, "added_tokens": JSON | st.lists(ADDED), "post_processor": JSON | PROCESSORS},
)


@given(content=TOKENIZERS.map(lambda value: json.dumps(value).encode()) | ANY_BYTES | DEEP)
def test_a_tokenizer_json_is_read_or_refused(content: bytes, write: Callable[[str, bytes], Path]) -> None:
    path = write("tokenizer.json", content)
    try:
        load_tokenizer(path.parent)
    except CheckpointError as error:
        refused(error, path)


KEYS = ["n_embd", "n_head", "n_layer", "n_positions", "n_ctx", "vocab_size", "model_type", "activation_function",
        "layer_norm_epsilon", "tie_word_embeddings", "eos_token_id", "scale_attn_weights"]  # fmt: skip


@given(
    changes=st.dictionaries(st.sampled_from(KEYS), SIZES | JSON, max_size=4),
    content=st.none() | ANY_BYTES | DEEP | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_a_config_is_read_or_refused(
    changes: dict[str, Any], content: bytes | None, write: Callable[[str, bytes], Path]
) -> None:
    good: dict[str, Any] = {
        "model_type": "gpt2",
        "n_embd": 8,
        "n_head": 2,
        "n_layer": 1,
        "n_positions": 16,
        "vocab_size": 50,
    }
    path = write("config.json", json.dumps(good | changes).encode() if content is None else content)
    try:
        config = read_config(path)
    except CheckpointError as error:
        refused(error, path)
        return
    assert config.n_embd % config.n_head == 0


@given(content=JSON.map(lambda value: json.dumps({"weight_map": value}).encode()) | ANY_BYTES | DEEP)
def test_an_index_of_shards_never_leads_out_of_its_folder(content: bytes, write: Callable[[str, bytes], Path]) -> None:
    path = write("model.safetensors.index.json", content)
    try:
        files = set(weight_map(path).values())
    except CheckpointError as error:
        refused(error, path)
        return
    assert all(Path(name).name == name for name in files)


class Bomb:
    """Would write a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


@given(
    value=JSON,
    noise=ANY_BYTES,
    where=st.integers(0, 300),
    protocol=st.integers(0, 5),
    name=st.sampled_from(["a/data.pkl", "data.pkl", "../data.pkl"]),
)
def test_a_pickle_runs_nothing(
    value: Any, noise: bytes, where: int, protocol: int, name: str, write: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    pickled = pickle.dumps([value, Bomb(str(trap))], protocol)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, pickled[:where] + noise + pickled[where:] if noise else pickled)
    path = write("pytorch_model.bin", archive.getvalue())
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        open_pickle(path)
    assert not trap.exists()
