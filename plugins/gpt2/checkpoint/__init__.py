"""Checkpoints: where they lie or come from, what their files say, read by readers that trust nothing. No tinygrad."""
