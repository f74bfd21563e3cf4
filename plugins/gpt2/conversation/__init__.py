"""Texts that come to be in talk: mentions, replies, direct messages, and stories in threads."""
