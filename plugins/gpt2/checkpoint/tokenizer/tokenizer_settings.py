"""What stands beside a vocabulary: which tokens are special or were added, and what goes before every prompt.

transformers writes it in ``tokenizer_config.json``; its older versions also in ``special_tokens_map.json`` and
``added_tokens.json``. The rules here are those of its ``GPT2Tokenizer`` (5.24, ``tokenization_utils_base.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_json_object
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer.added_tokens import AddedToken

TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
SPECIAL_TOKENS_NAME = "special_tokens_map.json"
ADDED_TOKENS_NAME = "added_tokens.json"
CHAT_TEMPLATE_NAME = "chat_template.jinja"
SETTINGS_NAMES = (TOKENIZER_CONFIG_NAME, SPECIAL_TOKENS_NAME, ADDED_TOKENS_NAME, CHAT_TEMPLATE_NAME)

GPT2_KIND = "GPT2Tokenizer"

_ROLES = ("bos_token", "eos_token", "unk_token")
"""Roles that ``GPT2Tokenizer`` gives to the end of text where no file says otherwise."""

_TURNS = re.compile(
    r"\{%-?for(?P<turn>\w+)inmessages-?%\}\{\{-?(?P=turn)(\.content|\[['\"]content['\"]\])-?\}\}"
    r"\{\{-?eos_token-?\}\}\{%-?endfor-?%\}"
)
"""A chat template that puts the end of text after every turn and nothing else, without its white space."""


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """What the files beside a vocabulary say; the defaults are those of a folder without them."""

    kind: str | None
    """The class of transformers, without "Fast"."""
    roles: Mapping[str, str]
    """Which token is the ``bos_token``, the ``eos_token``…"""
    special: frozenset[str]
    added: tuple[AddedToken, ...]
    prefix_space: bool
    adds_bos: bool
    adds_eos: bool
    joins_turns: bool

    @property
    def gpt2s(self) -> bool:
        """Whether transformers builds the tokeniser by GPT-2's own class, whatever ``tokenizer.json`` adds to it."""
        return self.kind in (None, GPT2_KIND)


def read_tokenizer_settings(folder: Path) -> TokenizerSettings:
    """Read the files that are there. Raises :class:`CheckpointError` naming the one that cannot be read."""
    config = _optional(folder / TOKENIZER_CONFIG_NAME)
    model = _optional(folder / CONFIG_NAME)
    kind = config.get("tokenizer_class") or model.get("tokenizer_class")
    kind = kind.removesuffix("Fast") if isinstance(kind, str) else None
    said = dict(config)
    decoder = config.get("added_tokens_decoder")
    if decoder is None:
        said |= _optional(folder / SPECIAL_TOKENS_NAME)
    found = {key: _content(value) for key, value in said.items() if key.endswith("_token")}
    roles = dict.fromkeys(_ROLES, "<|endoftext|>") if kind in (None, GPT2_KIND) else {}
    roles = {key: token for key, token in (roles | found).items() if token is not None}
    extra = (*_listed(said.get("additional_special_tokens")), *_listed(said.get("extra_special_tokens")))
    special = frozenset((*roles.values(), *extra))
    if decoder is None:
        numbers = _optional(folder / ADDED_TOKENS_NAME)
        added = tuple(
            added_token({"content": token, "id": number, "special": token in special}, folder / ADDED_TOKENS_NAME)
            for token, number in numbers.items()
        )
    else:
        added = tuple(_decoder(decoder, folder / TOKENIZER_CONFIG_NAME))
    return TokenizerSettings(
        kind=kind,
        roles=roles,
        special=special,
        added=added,
        prefix_space=config.get("add_prefix_space") is True,
        adds_bos=config.get("add_bos_token") is True,
        adds_eos=config.get("add_eos_token") is True,
        joins_turns=_joins_turns(_template(folder, config), model.get("task_specific_params")),
    )


def added_token(entry: object, path: Path) -> AddedToken:
    """Return one entry of a list of added tokens. Raises :class:`CheckpointError` where it is none."""
    content = entry.get("content") if isinstance(entry, Mapping) else None
    number = entry.get("id") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(content, str):
        raise CheckpointError(f"{path}: {str(entry)[:100]!r} is not an added token. Copy or download the file again.")
    if type(number) is not int or number < 0:
        raise CheckpointError(
            f"{path}: the added token {content!r} needs an id, a whole number from 0. Copy or download the file again."
        )
    special = entry.get("special") is True
    flags = {name: entry.get(name) is True for name in ("single_word", "lstrip", "rstrip")}
    return AddedToken(content, number, special, normalized=entry.get("normalized", not special) is True, **flags)


def _optional(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.exists() else {}


def _content(value: object) -> str | None:
    """Return a token that is written as a text or as an object with its flags."""
    found = value.get("content") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None


def _listed(value: object) -> Iterator[str]:
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in values:
        if (token := _content(each)) is not None:
            yield token


def _decoder(value: object, path: Path) -> Iterator[AddedToken]:
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{path}: added_tokens_decoder is not an object. Copy or download the file again.")
    for number, entry in value.items():
        digits = number.isascii() and number.isdigit() and len(number) < 19
        fields = dict(entry) if isinstance(entry, Mapping) else {}
        yield added_token({**fields, "id": int(number) if digits else number}, path)


def _template(folder: Path, config: Mapping[str, Any]) -> object:
    """Return the chat template, which newer versions of transformers keep in a file of its own."""
    try:
        return (folder / CHAT_TEMPLATE_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return config.get("chat_template")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / CHAT_TEMPLATE_NAME}: cannot be read: {error}. Copy it again.") from error


def _joins_turns(template: object, tasks: object) -> bool:
    """Tell whether the model was trained on turns that end with the end of text, as DialoGPT's files say of it."""
    if isinstance(tasks, Mapping) and "conversational" in tasks:
        return True
    return isinstance(template, str) and _TURNS.fullmatch("".join(template.split())) is not None
