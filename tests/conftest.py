"""Every test may use the kit that plugin authors use."""

pytest_plugins = ["townhall_bot.testkit"]
