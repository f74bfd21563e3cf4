"""Showing text in a chat: refusals, long and growing answers, and what keeps a model's text harmless there."""

from townhall_bot.replies.live import LiveReply
from townhall_bot.replies.refusal import Refusal, explain
from townhall_bot.replies.sanitize import sanitize

__all__ = ["LiveReply", "Refusal", "explain", "sanitize"]
