"""How a Discord talks: the server, its gateway, and objects as they stand in JSON."""
