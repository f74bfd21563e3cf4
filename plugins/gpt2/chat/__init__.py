"""Texts in a chat: asked for, shown as they grow, and what stands below them."""
