"""Where discord.py is bent: every part of it that is private and used here, each behind a function with a public name.

Nothing of ours is known here: who uses this room hands over what is to be done. What each file stands on is named by
``tests/townhall_bot/discordpy/test_private_parts.py``, which says what broke when another version of discord.py came.
"""
