"""How large the attention of ``int_attention.py`` is: where its keys and values lie, and what stays in registers."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.prelude import LANES
from plugins.gpt2.model.kv_cache import BLOCK_SCALES, block_bytes, key_groups, padded_size


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kernel's text depends on, beside how many attend together."""

    instructions: Instructions
    stride: int
    heads: int
    size: int
    blocks: int

    @property
    def width(self) -> int:
        """Floats of a slot's result, and between its query, key and value."""
        return self.heads * self.size

    @property
    def padded(self) -> int:
        """Elements of a key or value as stored."""
        return padded_size(self.size)

    @property
    def key_scales(self) -> int:
        """Bytes of the scales of 16 keys of one head."""
        return key_groups(self.size) * BLOCK_SCALES

    @property
    def key_block(self) -> int:
        """Bytes of 16 keys of one head."""
        return block_bytes(self.size, key_groups(self.size))

    @property
    def value_block(self) -> int:
        """Bytes of 16 values of one head."""
        return block_bytes(self.size, 1)

    @property
    def length(self) -> int:
        """Positions of the cache."""
        return self.blocks * LANES


@dataclass(frozen=True, slots=True)
class Tile:
    """So many slots attend together: to ``blocks`` of 16 keys, then for ``vectors`` of 16 elements at a time."""

    slots: int
    blocks: int
    vectors: int


def tiles(slots: int, bits: int) -> tuple[Tile, Tile | None]:
    """Return the tile of a slot alone, and that of neighbours where there are so many."""
    alone = Tile(1, 4, 4) if bits >= 512 else Tile(1, 2, 2) if bits >= 256 else Tile(1, 1, 1)
    together = Tile(8, 2, 2) if bits >= 512 else Tile(4, 1, 1) if bits >= 256 else Tile(2, 1, 1)
    if slots >= together.slots:
        return alone, together
    smaller = Tile(4, 2, 2) if bits >= 512 else Tile(2, 1, 1)
    return alone, smaller if slots >= smaller.slots else None
