"""Townhall's core: knows Discord, plugins and settings; nothing of GPT-2."""
