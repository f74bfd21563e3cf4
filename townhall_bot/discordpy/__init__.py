"""Where discord.py is bent: every part of it that is private and used here, and nothing of ours beside."""
