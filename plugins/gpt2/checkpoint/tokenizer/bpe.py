"""A checkpoint's byte-level BPE: text to ids and back, as its own files say, run by tiktoken where that is the same.

tiktoken merges the pair whose *joined bytes* have the lowest rank. So the ranks are: the 256 bytes, then the merges
in their order. GPT-2's ids are these ranks; a checkpoint whose ids are numbered otherwise (special tokens first, say)
gets a table from rank to id. Where following the list of merges would give other tokens, the list is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import tiktoken

from plugins.gpt2.checkpoint.tokenizer.added_tokens import AddedToken, AddedTokens
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET, to_bytes
from plugins.gpt2.checkpoint.tokenizer.pair_merges import PairMerges, any_pair_is_listed
from plugins.gpt2.turns import flow

END_OF_TEXT = "<|endoftext|>"

SPLIT_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
"""How GPT-2 cuts a text into words, as in tiktoken's ``tiktoken_ext/openai_public.py`` (same cuts as OpenAI's own
pattern, fewer steps)."""

Encode = Callable[[str], list[int]]


class BPETokenizer:
    """Text to ids and back, by the checkpoint's own vocabulary. Safe to use from several threads."""

    end_of_text: int | None
    """The token that stands between texts."""
    begins: tuple[int, ...]
    """Tokens that every prompt begins with; mostly none."""
    joins_turns: bool
    """Whether the model was trained on conversations whose turns end with the end of text."""
    vocab_size: int
    """Ids that have a text or a meaning. The model's own ``vocab_size`` may be larger where it was padded."""

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        added: Collection[AddedToken] = (),
        ends: Sequence[int] = (),
        begins: Sequence[int] = (),
        closes: Sequence[int] = (),
        prefix_space: bool = False,
        unknown: int | None = None,
        joins_turns: bool = False,
    ) -> None:
        """``vocab`` and ``merges`` are those of training; both halves and the whole of every merge are in ``vocab``.

        ``ends`` are the ids that end a text, the one between texts first; without one it is ``<|endoftext|>``.
        ``begins`` and ``closes`` go before and after every prompt; with ``prefix_space`` text gets a space where it
        does not begin with one. ``unknown`` stands for a byte that has no token; without it such a byte is left out.
        """
        contents = {token: _text_of(token) for token in vocab}
        special = {END_OF_TEXT} | {token.content for token in added if token.special}
        signs = [AddedToken(name, vocab[name], special=True, normalized=False) for name in special & vocab.keys()]
        self._texts = dict(zip(vocab.values(), contents.values(), strict=True))
        self._texts |= {token.id: token.printed for token in (*signs, *added)}
        self._texts |= dict.fromkeys(_wordless(vocab, merges, ends), b"")
        self._ordinary = AddedTokens(token for token in added if not token.special)
        self._all = AddedTokens([*signs, *added])
        self._encode = _encoder(vocab, merges, contents, unknown)
        self._prefix_space = prefix_space
        self.begins, self._closes = tuple(begins), tuple(closes)
        self.joins_turns = joins_turns
        by_name = {token.content: token.id for token in (*signs, *added)}
        self.end_of_text = ends[0] if ends else by_name.get(END_OF_TEXT)
        self.vocab_size = len(self._texts)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of a prompt.

        With ``special``, for the host's own words alone, special tokens that are spelled out in ``text`` are read as
        such; what a member types never becomes one.
        """
        return [*self.begins, *self._read(text, self._all if special else self._ordinary), *self._closes]

    def encode_plain(self, text: str) -> list[int]:
        """Return the ids of a text, or of a part of one: without what stands around prompts."""
        return self._read(text, self._ordinary)

    def encode_turns(self, turns: Sequence[str], *, spoken: bool = False) -> list[int]:
        """Return the ids of a conversation so far, for the model to write the next turn.

        A model that was trained so has its end of text after every turn, as DialoGPT does; for others a turn is a line.
        ``spoken`` turns are a member's and the model's, one after the other: for those others the model's continue it.
        """
        if not self.joins_turns or self.end_of_text is None:
            return self.encode(flow(turns) if spoken else "\n".join(turns))
        tokens = list(self.begins)
        for turn in turns:
            tokens += [*self._read(turn, self._ordinary), self.end_of_text]
        return tokens

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of ``tokens``; the end may be half a character.

        A special token gives nothing, nor does an id without a text.
        """
        return b"".join(self._texts.get(token, b"") for token in tokens)

    def _read(self, text: str, matched: AddedTokens) -> list[int]:
        tokens: list[int] = []
        for piece in matched.split(text):
            if isinstance(piece, int):
                tokens.append(piece)
            else:
                spaced = self._prefix_space and not piece.startswith(" ")
                tokens += self._encode(" " + piece if spaced else piece)
        return tokens


def _text_of(token: str) -> bytes:
    """Return what a token of the vocabulary prints: its bytes, or itself where it is not written in their letters."""
    content = to_bytes(token)
    return token.encode() if content is None else content


def _wordless(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], ends: Sequence[int]) -> Iterator[int]:
    """Yield those of ``ends`` that are signs and no words: tokens of the vocabulary that no merge makes."""
    for token, number in vocab.items() if ends else ():
        if number in ends and token not in BYTE_ALPHABET and not any(left + right == token for left, right in merges):
            yield number


def _encoder(
    vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], contents: Mapping[str, bytes], unknown: int | None
) -> Encode:
    """Return what turns plain text into ids: tiktoken's BPE where it is that of the list of merges."""
    if not any_pair_is_listed(vocab, merges):
        return PairMerges(vocab, merges, SPLIT_PATTERN, unknown=unknown).encode
    letters = [*BYTE_ALPHABET, *(left + right for left, right in merges)]
    ranks = {contents[token]: rank for rank, token in enumerate(letters)}
    encoding = tiktoken.Encoding("checkpoint", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={})
    ids = [vocab[token] for token in letters]
    if ids == list(range(len(ids))):
        return encoding.encode_ordinary
    id_of_rank = np.array(ids, dtype=np.int64)
    return lambda text: [int(number) for number in id_of_rank[encoding.encode_ordinary(text)]]
