"""Requests, events and errors as lines of JSON over HTTP, between bot, router and engines. No Discord, no tinygrad."""
