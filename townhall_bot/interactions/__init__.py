"""Interactions by HTTP instead of the gateway: signed requests of Discord's, for hosts with a public address."""

from townhall_bot.interactions.endpoint import Endpoint, EndpointError

__all__ = ["Endpoint", "EndpointError"]
