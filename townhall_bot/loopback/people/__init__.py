"""People who use the bot, as Discord's own client lets them: they type, press, choose and fill in."""
