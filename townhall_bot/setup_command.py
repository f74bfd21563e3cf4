"""``townhall setup``: from a new token to an invitation, in one go."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path

from townhall_bot.discord_account import PORTAL, Account, TokenRefused, Unreachable, look_up
from townhall_bot.env_file import set_secret
from townhall_bot.settings import ENV_FILE

OK, FAILED = 0, 1
TRIES = 3
ASK = "The bot's token (it is not shown): "


def run() -> int:
    """Ask for the token, check it, keep it, show how to invite the bot; return the exit status."""
    print(f"A bot needs a token from Discord: {PORTAL} → New Application → Bot → Reset Token.")
    for _ in range(TRIES):
        try:
            token = ask()
        except EOFError:
            break
        if not token:
            continue
        try:
            account = asyncio.run(look_up(token))
        except TokenRefused:
            print("Discord does not accept this token. Copy it again, or reset it there.", file=sys.stderr)
            continue
        except Unreachable as error:
            print(f"Discord cannot be reached: {error}. Nothing was written; try again later.", file=sys.stderr)
            return FAILED
        return keep(token, account)
    print("No token was accepted; nothing was written.", file=sys.stderr)
    return FAILED


def ask() -> str:
    """Return what is typed, without showing it; or a line that another program sends."""
    if sys.stdin.isatty():
        return getpass.getpass(ASK).strip()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def keep(token: str, account: Account) -> int:
    """Write the token into ``.env`` and show what is next."""
    path = Path(ENV_FILE)
    try:
        set_secret(path, "TOWNHALL_TOKEN", token)
    except (OSError, ValueError) as error:
        print(f"{path.absolute()} cannot be written: {error}. Nothing was changed.", file=sys.stderr)
        return FAILED
    print(f"Discord knows this bot as {account.name}. The token is in {path.absolute()}, for you alone to read.")
    print(f"\nInvite it to a server of yours; it asks for no more than it needs:\n  {account.invitation}")
    print("\nThen: townhall doctor, and townhall run")
    return OK
