"""What may be shown of an address and of a text that may hold a secret: never a password, never a token.

Every message that repeats a setting, an address or what another program said of one goes through here.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MASK = "‹not shown›"
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>()\[\]]*(?:\[[0-9a-f:.]+\][^\s'\"<>()]*)?", re.IGNORECASE)
_TOKENS = re.compile(
    r"""
    \b[\w-]{18,30}\.[\w-]{5,8}\.[\w-]{25,}          # Discord's: id, time, signature
    | \bmfa\.[\w-]{20,} | \baW50ZXJhY3Rpb246[\w-]{20,}   # an account's; an interaction's
    | \b(?:hf|api_org|gh[a-z]|github_pat|sk|glpat|xox[a-z])[_-][\w-]{16,}   # those that say whose they are
    | (?<=bearer\ )[\w.~+/=-]{8,} | (?<=basic\ )[\w.~+/=-]{8,} | (?<=bot\ )[\w.~+/=-]{24,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_USER = re.compile(r"(?<=://)[^\s/'\"@]*@|(?<=://)[^\s/'\"]*@(?=[\w.-]+(?:[:/\s'\"]|$))")
_RANDOM = re.compile(r"(?=[\w.~+=-]*[0-9])(?=[\w.~+=-]*[a-z])(?=[\w.~+=-]*[A-Z])[\w.~+=-]{24,}")


def origin(address: str) -> str:
    """Return scheme, host and port of an address: the user, the password, the path and the query may be secrets."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return MASK
    if not host:
        return MASK
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def redacted(text: object) -> str:
    """Return a message in which addresses are scheme and host, and what looks like a token is masked."""
    return _TOKENS.sub(MASK, _ADDRESS.sub(lambda match: origin(match[0].rstrip(".,;:")), str(text)))


def without_secrets(text: str) -> str:
    """Return a text without passwords in addresses and without tokens, for what is logged or told with its addresses.

    The last line of defence, in the log and on the command line, against what other programs say.
    """
    return _TOKENS.sub(MASK, _USER.sub("", text))


def shown_value(value: str) -> str:
    """Return a setting's value as an error may repeat it, quoted. Something long and random was pasted by mistake."""
    return repr(_RANDOM.sub(MASK, redacted(value)))
