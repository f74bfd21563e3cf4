"""``townhall setup``: from a new token to an invitation, in one go."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from pathlib import Path

from townhall_bot.cli.terminal import FAILED, INTERRUPTED, OK, tell
from townhall_bot.machine.env_file import set_secret
from townhall_bot.ops.discord_account import (
    COPY_AGAIN,
    PORTAL,
    Account,
    TokenRefused,
    Unreachable,
    look_up,
    looks_like_a_token,
)
from townhall_bot.settings import ENV_FILE

TOKEN = "TOWNHALL_TOKEN"
TRIES = 3
ASK = "The bot's token (it is not shown): "


def run() -> int:
    """Ask for the token, check it, keep it, show how to invite the bot; return the exit status."""
    path = Path(ENV_FILE).absolute()
    print(f"A bot needs a token from Discord: {PORTAL} → New Application → Bot → Reset Token.")
    try:
        return _ask_and_keep(path)
    except KeyboardInterrupt:
        tell("\nNothing was written.")
        return INTERRUPTED


def _ask_and_keep(path: Path) -> int:
    refused = False
    for _ in range(TRIES):
        try:
            token = ask()
        except EOFError:
            tell("")  # the question's line has no end yet
            break
        if not token:
            tell("Nothing was typed. Paste the token, then press Enter.")
            continue
        refused = True
        if not looks_like_a_token(token):
            tell(f"That does not look like a bot's token. {COPY_AGAIN}")
            continue
        print("Asking Discord about it …", flush=True)
        try:
            account = asyncio.run(look_up(token))
        except TokenRefused:
            tell("Discord does not accept this token. Copy it again, or reset it there.")
            continue
        except Unreachable as error:
            tell(f"Discord cannot be reached: {error} Nothing was written.")
            return FAILED
        return keep(path, token, account)
    if refused:
        tell("No token was accepted; nothing was written.")
    else:
        tell("No token came; nothing was written. Type it in a terminal, or send it as a line: townhall setup < FILE")
    return FAILED


def ask() -> str:
    """Return what is typed, without showing it; or a line that another program sends."""
    if sys.stdin.isatty():
        return getpass.getpass(ASK).strip()
    line = sys.stdin.buffer.readline().decode(errors="replace")
    if not line:
        raise EOFError
    return line.strip()


def keep(path: Path, token: str, account: Account) -> int:
    """Write the token into ``.env`` and show what is next."""
    try:
        set_secret(path, TOKEN, token)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        cure = (
            "Go to a folder that you can write to and run `townhall setup` there; `.env` is read where the bot starts."
        )
        tell(f"{path} cannot be written: {reason}. Nothing was changed. {cure}")
        return FAILED
    print(f"Discord knows this bot as {account.name}. The token is in {path}, for you alone to read.")
    if os.environ.get(TOKEN) not in (None, "", token):
        tell(f"But the environment has another {TOKEN}, which wins over the file: unset it.")
    print(f"\nInvite it to a server of yours; it asks for no more than it needs:\n  {account.invitation}")
    print(f"\nThen, in {path.parent}: townhall doctor, and townhall run")
    return OK
