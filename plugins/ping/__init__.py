"""The smallest useful plugin: proof that the contract in ``townhall_bot.plugins`` is enough."""
