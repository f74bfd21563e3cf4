"""The words and their ids: byte-level BPE from the files that a checkpoint brings."""
